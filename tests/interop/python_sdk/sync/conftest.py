from __future__ import annotations

from collections.abc import Iterator

import pytest
from nullspace import Sandbox


@pytest.fixture(scope="module")
def sandbox(environment: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """One for all tests of a file that leave nothing in it that another would mind."""
    with Sandbox.create(timeout=600, envs={"GREETING": "hello"}) as one:
        yield one
