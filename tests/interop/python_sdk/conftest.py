"""What the suites of both styles share: a server for the whole run, and an environment that points at it and nowhere else."""

from __future__ import annotations

import importlib.metadata
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from server import LocalServer, running_server  # noqa: E402

PATIENCE = 60.0


def pytest_configure(config: pytest.Config) -> None:
    assert importlib.metadata.version("nullspace-sdk") == "0.1.9"


@pytest.fixture(scope="session")
def server() -> Iterator[LocalServer]:
    with running_server() as running:
        yield running


@pytest.fixture(scope="session", autouse=True)
def environment(
    server: LocalServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[pytest.MonkeyPatch]:
    """A user without configuration of any kind but the two variables that the server printed."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        patch.chdir(home)
        patch.setenv("HOME", str(home))
        for name in ("NULLSPACE_BASE_URL", "XDG_CONFIG_HOME"):
            patch.delenv(name, raising=False)
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            patch.delenv(name, raising=False)
            patch.delenv(name.upper(), raising=False)
        patch.setenv("NULLSPACE_API_URL", server.url)
        patch.setenv("NULLSPACE_API_KEY", server.key)
        yield patch


@pytest.fixture
def eventually() -> Callable[[Callable[[], object]], None]:
    """Waits until something holds."""

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, "it did not come to pass"
            time.sleep(0.02)

    return wait
