"""nullspace-local as a child process, on a free port and with a key of its own."""

from __future__ import annotations

import os
import queue
import shlex
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

# Long enough for a sanitizer on a busy machine.
START_TIMEOUT = 60.0
STOP_TIMEOUT = 30.0


@dataclass
class LocalServer:
    url: str
    key: str
    pid: int


def _lines(stream) -> queue.Queue[str]:
    """Reads on, so that the server never blocks on a full pipe."""
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in stream:
            lines.put(line)
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    return lines


@contextmanager
def running_server(*flags: str) -> Iterator[LocalServer]:
    program = os.environ.get("NULLSPACE_LOCAL")
    assert program, "NULLSPACE_LOCAL is not set: run these tests with ctest, or see README.md"
    process = subprocess.Popen(
        [program, "--port", "0", "--print-env", *flags],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield _read_environment(process)
    finally:
        process.terminate()
        try:
            code = process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
    assert code == 0, f"nullspace-local ended with {code}"


def _read_environment(process: subprocess.Popen[str]) -> LocalServer:
    """What `eval "$(nullspace-local --print-env)"` would set."""
    lines = _lines(process.stdout)
    values: dict[str, str] = {}
    while not {"NULLSPACE_API_URL", "NULLSPACE_API_KEY"} <= values.keys():
        line = lines.get(timeout=START_TIMEOUT)
        assert line, "nullspace-local ended before it said where it listens"
        if line.startswith("export "):
            for assignment in shlex.split(line)[1:]:
                name, _, value = assignment.partition("=")
                values[name] = value
    return LocalServer(values["NULLSPACE_API_URL"], values["NULLSPACE_API_KEY"], process.pid)
