from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

KEY = "ns_test_key"

Ask = Callable[..., Any]


@pytest.fixture
def peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ask]:
    """The service, with the environment pointing at it, and a way to ask it questions."""
    process = subprocess.Popen(
        [sys.executable, "-B", str(Path(__file__).with_name("service.py")), "--api-key", KEY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin and process.stdout

    def ask(**question: Any) -> Any:
        process.stdin.write(json.dumps(question) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    hello = json.loads(process.stdout.readline())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NULLSPACE_BASE_URL", raising=False)
    monkeypatch.setenv("NULLSPACE_API_URL", f"http://127.0.0.1:{hello['port']}")
    monkeypatch.setenv("NULLSPACE_API_KEY", KEY)
    yield ask
    process.stdin.close()
    assert process.wait(30) == 0
