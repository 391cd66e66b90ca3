"""`?channel=pty`: terminals over a socket, and, by the variable SCENE in the session's environment, oddities."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

from account import Account, Sandbox
from terminal import Terminal, output
from websocket_wire import Channel

SESSION = "ses_scene"


class Scene:
    """One session whose messages are written by hand."""

    def __init__(self, channel: Channel, start: dict[str, Any], words: list[str]) -> None:
        self.channel = channel
        self._id = start["id"]
        self.words = words

    async def say(self, kind: str, **fields: Any) -> None:
        await self.channel.send_text(self.text(kind, **fields))

    def text(self, kind: str, **fields: Any) -> str:
        return json.dumps({"type": kind, "id": self._id, "session_id": SESSION, **fields})

    async def started(self) -> None:
        await self.say("pty_started", pid=640, cols=120, rows=30, exec_id="exec-640")

    async def show(self, *pieces: bytes) -> None:
        """Each piece in a message of its own, all of them in one write: none is late because this program is."""
        messages = [{**output(piece), "id": self._id, "session_id": SESSION} for piece in pieces]
        await self.channel.send_texts([json.dumps(message) for message in messages])


# ---- the end


async def tail(scene: Scene) -> None:
    """Numbered output behind pty_exited, then the close."""
    await scene.started()
    await scene.show(b"before\n")
    await scene.say("pty_exited", exit_code=7)
    await scene.show(*(f"tail {number}\n".encode() for number in range(int(scene.words[0]))))
    await scene.channel.close()


async def tail_without_close(scene: Scene) -> None:
    """The same, but the server leaves the connection open."""
    await scene.started()
    await scene.say("pty_exited", exit_code=7)
    await scene.show(*(f"tail {number}\n".encode() for number in range(int(scene.words[0]))))


async def close_without_exit(scene: Scene) -> None:
    await scene.started()
    await scene.show(b"before\n")
    await scene.channel.close(1000)


async def hang_up(scene: Scene) -> None:
    await scene.started()
    await scene.show(b"before\n")
    await scene.channel.hang_up()


async def error_later(scene: Scene) -> None:
    await scene.started()
    await scene.show(b"before\n")
    await scene.say("error", message="the terminal caught fire", code="internal_error")


async def exec_exit(scene: Scene) -> None:
    await scene.started()
    await scene.say("exec_exit", exit_code=9)


async def exited_without_code(scene: Scene) -> None:
    await scene.started()
    await scene.say("pty_exited")


# ---- the beginning


async def started_twice(scene: Scene) -> None:
    await scene.started()
    await scene.show(b"one ")
    await scene.started()
    await scene.show(b"two")
    await scene.say("pty_exited", exit_code=0)


async def output_first(scene: Scene) -> None:
    await scene.show(b"too early")
    await scene.started()


async def no_session_id(scene: Scene) -> None:
    await scene.channel.send(type="pty_started", id="pty_1", pid=1)


async def empty_session_id(scene: Scene) -> None:
    await scene.channel.send(type="pty_started", id="pty_1", session_id="", pid=1)


async def bare_minimum(scene: Scene) -> None:
    await scene.channel.send(type="pty_started", session_id=SESSION)
    await scene.channel.send(type="pty_output", data="only text \u20ac")
    await scene.channel.send(type="pty_exited")


async def error_first(scene: Scene) -> None:
    await scene.say("error", message="no terminals today", code="capacity_exceeded")


async def error_first_without_code(scene: Scene) -> None:
    await scene.say("error", message="no terminals today")


async def silent(scene: Scene) -> None:
    await asyncio.Event().wait()


async def close_first(scene: Scene) -> None:
    await scene.channel.close(1000)


# ---- content


async def base64_text(scene: Scene) -> None:
    """Output whose base64 is whatever the test says."""
    await scene.started()
    await scene.say("pty_output", data="the lossy text", data_base64=BASE64[scene.words[0]])
    await scene.say("pty_exited", exit_code=0)


BASE64: dict[str, Any] = {
    "truncated": "aGVsbG8",
    "invalid": "aGV$bG8=",
    "spaces": "aGVs bG8=",
    "url-alphabet": "-_-_",
    "number": 17,
    "null": None,
    "empty": "",
}


async def split_sequences(scene: Scene) -> None:
    """A sequence of four bytes, one in each message."""
    await scene.started()
    await scene.show(*(bytes([byte]) for byte in "\U0001f600".encode()))
    await scene.say("pty_exited", exit_code=0)


async def unknown_types(scene: Scene) -> None:
    await scene.started()
    await scene.say("pty_bell", volume=11)
    await scene.show(b"seen")
    await scene.say("pty_exited", exit_code=0)


async def malformed(scene: Scene) -> None:
    await scene.started()
    await scene.show(b"before\n")
    await scene.channel.send_text('{"type":"pty_output","data_base64":"')


async def pings(scene: Scene) -> None:
    """Pings, and nothing else: somebody has to answer them although nobody reads."""
    await scene.started()
    for number in range(int(scene.words[0])):
        await scene.channel.ping(f"ping {number}".encode())
        await asyncio.sleep(0.02)
    await scene.channel.receive()
    await scene.say("pty_exited", exit_code=0)


async def deaf(scene: Scene) -> None:
    """Somebody who holds the connection and reads nothing any more, pings included."""
    await scene.started()
    scene.channel.stop_reading()
    await asyncio.Event().wait()


async def flood(scene: Scene) -> None:
    """Blocks of 64 KiB, each filled with its number."""
    await scene.started()
    for number in range(int(scene.words[0])):
        data = bytes([number % 256]) * 65536
        await scene.say("pty_output", data_base64=base64.b64encode(data).decode("ascii"))
    await scene.say("pty_exited", exit_code=0)


SCENES: dict[str, Callable[[Scene], Awaitable[None]]] = {
    scene.__name__.replace("_", "-"): scene
    for scene in (
        tail, tail_without_close, close_without_exit, hang_up, error_later, exec_exit,
        exited_without_code, started_twice, output_first, no_session_id, empty_session_id,
        bare_minimum, error_first, error_first_without_code, silent, close_first, base64_text,
        split_sequences, unknown_types, malformed, pings, deaf, flood,
    )
}  # fmt: skip


class PtyChannel:
    def __init__(self, channel: Channel, account: Account, sandbox: Sandbox) -> None:
        self._channel = channel
        self._account = account
        self._sandbox = sandbox

    async def serve(self) -> None:
        start = await self._channel.receive()
        if start is None:
            return
        if start.get("type") == "pty_start":
            if name := start.get("envs", {}).get("SCENE"):
                scene, *words = name.split()
                await SCENES[scene](Scene(self._channel, start, words))
                # Whatever the scene was, the connection ends when the client ends it.
                while await self._channel.receive() is not None:
                    pass
                return
            pid = next(self._account.pids)
            terminal = Terminal(f"ses_{pid}", pid, start["cols"], start["rows"])
            self._sandbox.terminals[terminal.session_id] = terminal
        else:
            found = self._find(start)
            if found is None:
                await self._channel.send(
                    type="error", id=start["id"], message="session not found", code="not_found"
                )
                return
            terminal = found
        await self._attend(terminal, start["id"])

    def _find(self, start: dict[str, Any]) -> Terminal | None:
        for terminal in self._sandbox.terminals.values():
            if terminal.session_id == start.get("session_id") or terminal.pid == start.get("pid"):
                return None if terminal.over else terminal
        return None

    async def _attend(self, terminal: Terminal, request_id: str) -> None:
        view = terminal.view()
        await self._channel.send(type="pty_started", id=request_id, **terminal.describe())
        teller = asyncio.create_task(self._tell(view, terminal, request_id))
        try:
            while (message := await self._channel.receive()) is not None:
                match message["type"]:
                    case "pty_input":
                        terminal.type(self._input(message))
                    case "pty_resize":
                        terminal.resize(message["cols"], message["rows"])
                    case "pty_kill":
                        terminal.kill()
        finally:
            teller.cancel()
            terminal.unview(view)

    @staticmethod
    def _input(message: dict[str, Any]) -> bytes:
        if "data_base64" in message:
            return base64.b64decode(message["data_base64"], validate=True)
        return str(message["data"]).encode()

    async def _tell(
        self, view: asyncio.Queue[dict[str, Any]], terminal: Terminal, request_id: str
    ) -> None:
        while True:
            message = await view.get()
            await self._channel.send(**message, id=request_id, session_id=terminal.session_id)
            if message["type"] == "pty_exited":
                await self._channel.close()
                return
