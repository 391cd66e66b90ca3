"""Make-believe processes with a vocabulary of a few words, so that nothing has to run.

`say TEXT`, `warn TEXT` (on stderr), `exit N`, `cat` (standard input to standard output), `sleep` (until it is killed),
`ticks N` (N lines with pauses), joined by `;`.
"""

from __future__ import annotations

import asyncio
from typing import Any

KILLED = 137


class Process:
    def __init__(self, pid: int, command: str, args: list[str]) -> None:
        self.pid = pid
        self.command = " ".join([command, *args])
        self.stdout = ""
        self.stderr = ""
        self.output = ""
        self.exit_code: int | None = None
        self._stdin: asyncio.Queue[str | None] = asyncio.Queue()
        self._listeners: list[asyncio.Queue[dict[str, Any]]] = []
        self._task: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        return self.exit_code is None

    def start(self) -> None:
        self._task = asyncio.create_task(self._live())

    async def _live(self) -> None:
        code = 0
        try:
            for step in self.command.split(";"):
                word, _, rest = step.strip().partition(" ")
                match word:
                    case "say":
                        self._write("stdout", rest + "\n")
                    case "warn":
                        self._write("stderr", rest + "\n")
                    case "exit":
                        code = int(rest)
                        break
                    case "cat":
                        while (text := await self._stdin.get()) is not None:
                            self._write("stdout", text)
                    case "sleep":
                        await asyncio.Event().wait()
                    case "ticks":
                        for number in range(int(rest)):
                            self._write("stdout", f"tick {number}\n")
                            await asyncio.sleep(0.01)
                    case _:
                        self._write("stderr", f"{word}: command not found\n")
                        code = 127
                        break
        except asyncio.CancelledError:
            code = KILLED
        self.exit_code = code
        self._tell({"type": "exec_exit", "exit_code": code})

    def _write(self, stream: str, text: str) -> None:
        setattr(self, stream, getattr(self, stream) + text)
        self.output += text
        self._tell({"type": f"exec_{stream}", "data": text})

    def _tell(self, message: dict[str, Any]) -> None:
        for queue in self._listeners:
            queue.put_nowait(message)

    def listen(self) -> asyncio.Queue[dict[str, Any]]:
        """Everything from now on, up to and including exec_exit."""
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._listeners.append(queue)
        return queue

    async def wait(self) -> None:
        assert self._task is not None
        await asyncio.wait([self._task])

    def kill(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def write_stdin(self, text: str) -> None:
        self._stdin.put_nowait(text)

    def close_stdin(self) -> None:
        self._stdin.put_nowait(None)
