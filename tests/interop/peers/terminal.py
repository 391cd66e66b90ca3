"""Make-believe terminals: a shell that echoes, knows `size`, `exit N`, `bytes`, and repeats anything else."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

KILLED = 137

ALL_BYTES = bytes(range(256))


def output(data: bytes) -> dict[str, Any]:
    return {
        "type": "pty_output",
        "data": data.decode("utf-8", "replace"),
        "data_base64": base64.b64encode(data).decode("ascii"),
    }


class Terminal:
    def __init__(self, session_id: str, pid: int, cols: int, rows: int) -> None:
        self.session_id = session_id
        self.pid = pid
        self.cols = cols
        self.rows = rows
        self.over = False
        self._line = bytearray()
        self._viewers: list[asyncio.Queue[dict[str, Any]]] = []

    def describe(self) -> dict[str, Any]:
        return {
            "session_id": self.session_id,
            "pid": self.pid,
            "cols": self.cols,
            "rows": self.rows,
            "exec_id": f"exec-{self.pid}",
        }

    def view(self) -> asyncio.Queue[dict[str, Any]]:
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._viewers.append(queue)
        return queue

    def unview(self, queue: asyncio.Queue[dict[str, Any]]) -> None:
        self._viewers.remove(queue)

    def type(self, data: bytes) -> None:
        *whole, rest = data.replace(b"\r", b"\n").split(b"\n")
        for end_of_line in whole:
            line = bytes(self._line + end_of_line)
            self._line.clear()
            self._show(line + b"\r\n")
            self._obey(line)
        self._line += rest

    def _obey(self, line: bytes) -> None:
        word, _, rest = line.partition(b" ")
        if word == b"exit":
            self._end(int(rest or b"0"))
        elif word == b"size":
            self._show(f"{self.rows} {self.cols}\r\n".encode())
        elif word == b"bytes":
            self._show(ALL_BYTES)
        elif line:
            self._show(b"ran: " + line + b"\r\n")

    def resize(self, cols: int, rows: int) -> None:
        self.cols, self.rows = cols, rows

    def kill(self) -> None:
        self._end(KILLED)

    def _show(self, data: bytes) -> None:
        self._tell(output(data))

    def _end(self, code: int) -> None:
        if not self.over:
            self.over = True
            self._tell({"type": "pty_exited", "exit_code": code})

    def _tell(self, message: dict[str, Any]) -> None:
        for queue in self._viewers:
            queue.put_nowait(message)
