"""`?channel=exec`: processes over a socket, as they should be, and `play <scene>` as they should not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

from websockets.frames import Frame, Opcode

from account import Account, Sandbox
from process import Process
from websocket_wire import Channel

PID = 4242

# Text with sequences of two, three and four bytes.
UNICODE = "h\u00e9llo \u20ac \U0001f600 caf\u00e9 "


class Scene:
    """One exec whose messages are written by hand."""

    def __init__(self, channel: Channel, request_id: str, words: list[str]) -> None:
        self.channel = channel
        self._id = request_id
        self.words = words

    def text(self, kind: str, **fields: Any) -> str:
        pid = {} if kind == "error" else {"pid": PID}
        return json.dumps({"type": kind, "id": self._id, **pid, **fields})

    async def say(self, kind: str, **fields: Any) -> None:
        await self.channel.send_text(self.text(kind, **fields))

    async def half_done(self) -> None:
        await self.say("exec_started")
        await self.say("exec_stdout", data="half of the outp")
        await self.say("exec_stderr", data="half of the err")


# ---- cut streams


async def cut_clean(scene: Scene) -> None:
    await scene.half_done()
    await scene.channel.close(1000)


async def cut_going_away(scene: Scene) -> None:
    await scene.half_done()
    await scene.channel.close(1001, "restarting")


async def cut_without_close_frame(scene: Scene) -> None:
    await scene.half_done()
    await scene.channel.hang_up()


async def cut_by_reset(scene: Scene) -> None:
    await scene.half_done()
    # A reset overtakes what the client has not read yet; its pong says that it has.
    await scene.channel.ping_and_wait()
    await scene.channel.reset()


async def cut_in_frame(scene: Scene) -> None:
    await scene.half_done()
    await scene.channel.hang_up_in_frame(scene.text("exec_exit", exit_code=0))


async def cut_at(scene: Scene) -> None:
    """A whole run of which only that many bytes get through; how many there are in all is noted."""
    messages = [scene.text("exec_started")]
    messages += [scene.text("exec_stdout", data=data) for data in ("one\n", "two\n")]
    messages += [scene.text("exec_exit", exit_code=0)]
    frames = b"".join(
        Frame(Opcode.TEXT, message.encode()).serialize(mask=False) for message in messages
    )
    scene.channel.recorder.note("run", bytes=len(frames))
    await scene.channel.send_bytes(frames[: int(scene.words[0])])
    await scene.channel.hang_up()


async def cut_at_once(scene: Scene) -> None:
    await scene.channel.close(1000)


# ---- endings by error


async def error_frame(scene: Scene) -> None:
    await scene.half_done()
    await scene.say("error", message="the runtime fell over")


async def error_frame_with_code(scene: Scene) -> None:
    await scene.half_done()
    await scene.say("error", message="too slow", code="exec_timeout")


# ---- sizes


async def frame(scene: Scene) -> None:
    """One stdout message with that many bytes of data, counted in full."""
    await scene.say("exec_started")
    await scene.say("exec_stdout", data="x" * int(scene.words[0]))
    await scene.say("exec_exit", exit_code=0)


async def fragments(scene: Scene) -> None:
    await scene.say("exec_started")
    text = json.dumps({"type": "exec_stdout", "data": UNICODE * 1000}, ensure_ascii=False)
    await scene.channel.send_fragmented(text, int(scene.words[0]))
    await scene.say("exec_exit", exit_code=0)


async def many_frames(scene: Scene) -> None:
    await scene.say("exec_started")
    for number in range(int(scene.words[0])):
        await scene.say("exec_stdout", data=f"{number}\n")
    await scene.say("exec_exit", exit_code=0)


# ---- content


async def escapes(scene: Scene) -> None:
    """Characters outside the basic plane as pairs of escapes, and a NUL."""
    await scene.say("exec_started")
    await scene.channel.send_text('{"type":"exec_stdout","data":"\\ud83d\\ude00 \\u20ac \\u0000|"}')
    await scene.say("exec_exit", exit_code=0)


async def lone_surrogates(scene: Scene) -> None:
    """One character whose two escapes are in two messages."""
    await scene.say("exec_started")
    await scene.channel.send_text('{"type":"exec_stdout","data":"a\\ud83d"}')
    await scene.channel.send_text('{"type":"exec_stdout","data":"\\ude00b"}')
    await scene.say("exec_exit", exit_code=0)


async def surrogate_escapes(scene: Scene) -> None:
    """Bytes of one sequence as a decoder with `surrogateescape` leaves them at the edge of a chunk."""
    await scene.say("exec_started")
    data = "\u20ac".encode()
    for byte in data:
        await scene.say("exec_stdout", data=bytes([byte]).decode("utf-8", "surrogateescape"))
    await scene.say("exec_stdout", data="end")
    await scene.say("exec_exit", exit_code=0)


async def unknown_types(scene: Scene) -> None:
    await scene.say("exec_hologram", data={"of": "you"})
    await scene.say("exec_started")
    await scene.say("exec_telemetry", load=0.3)
    await scene.say("exec_stdout", data="seen")
    await scene.say("exec_exit", exit_code=3)


async def output_before_started(scene: Scene) -> None:
    await scene.say("exec_stdout", data="early ")
    await scene.say("exec_started")
    await scene.say("exec_stdout", data="late")
    await scene.say("exec_exit", exit_code=0)


async def binary_messages(scene: Scene) -> None:
    for text in (
        scene.text("exec_started"),
        scene.text("exec_stdout", data="in binary"),
        scene.text("exec_exit", exit_code=5),
    ):
        await scene.channel.send_frame(Opcode.BINARY, text.encode())


async def after_the_end(scene: Scene) -> None:
    await scene.say("exec_started")
    await scene.say("exec_exit", exit_code=4)
    await scene.say("exec_stdout", data="too late")
    await scene.say("exec_exit", exit_code=0)


async def raw(scene: Scene) -> None:
    """Started, and then something that is no message of the protocol."""
    await scene.half_done()
    await scene.channel.send_text(RAW[scene.words[0]])


async def bad_utf8(scene: Scene) -> None:
    await scene.half_done()
    await scene.channel.send_frame(Opcode.TEXT, b'{"type":"exec_stdout","data":"\xff\xfe"}')


async def bad_frame(scene: Scene) -> None:
    """A frame with an opcode that does not exist."""
    await scene.half_done()
    await scene.channel.send_bytes(bytes([0x8B, 0x01, 0x00]))


RAW = {
    "malformed": '{"type":"exec_stdout","data":',
    "deep": '{"type":"exec_stdout","data":' + "[" * 100_000 + "]" * 100_000 + "}",
    "number": '{"type":"exec_exit","exit_code":1e99999}',
    "array": "[1,2,3]",
    "no-type": '{"id":"exec_0","data":"no type at all"}',
    "no-data": '{"type":"exec_stdout"}',
    "data-is-number": '{"type":"exec_stdout","data":17}',
    "code-is-text": '{"type":"exec_exit","exit_code":"0"}',
    "pid-is-text": '{"type":"exec_started","pid":"many"}',
}

# ---- silence


async def stall(scene: Scene) -> None:
    await asyncio.Event().wait()


async def stall_half_done(scene: Scene) -> None:
    await scene.half_done()
    await asyncio.Event().wait()


async def mumble(scene: Scene) -> None:
    """Output for ever, slowly: alive, but never done."""
    await scene.say("exec_started")
    while True:
        await scene.say("exec_stdout", data=".")
        await asyncio.sleep(0.02)


SCENES: dict[str, Callable[[Scene], Coroutine[Any, Any, None]]] = {
    scene.__name__.replace("_", "-"): scene
    for scene in (
        cut_clean, cut_going_away, cut_without_close_frame, cut_by_reset, cut_in_frame, cut_at, cut_at_once,
        error_frame, error_frame_with_code, frame, fragments, many_frames, escapes, lone_surrogates,
        surrogate_escapes, unknown_types, output_before_started, binary_messages, after_the_end,
        raw, bad_utf8, bad_frame, stall, stall_half_done, mumble,
    )
}  # fmt: skip


class ExecChannel:
    def __init__(self, channel: Channel, account: Account, sandbox: Sandbox) -> None:
        self._channel = channel
        self._account = account
        self._sandbox = sandbox
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        try:
            while (message := await self._channel.receive()) is not None:
                await self._handle(message)
        finally:
            for task in self._tasks:
                task.cancel()

    async def _handle(self, message: dict[str, Any]) -> None:
        request_id = str(message.get("id", ""))
        kind = message.get("type")
        if kind == "exec_start":
            command, args = message["command"], message.get("args", [])
            if command.startswith("play "):
                name, *words = command.removeprefix("play ").split()
                self._follow(SCENES[name](Scene(self._channel, request_id, words)))
                return
            process = Process(next(self._account.pids), command, args)
            self._sandbox.processes[process.pid] = process
            self._follow(self._tell(process.listen(), process.pid, request_id))
            process.start()
            return
        process = self._sandbox.processes.get(message.get("pid", 0))
        if process is None or not process.running:
            await self._channel.send(
                type="error", id=request_id, message=f"process {message.get('pid')} is not running"
            )
            return
        match kind:
            case "exec_connect":
                self._follow(self._tell(process.listen(), process.pid, request_id))
            case "exec_stdin":
                process.write_stdin(message["data"])
            case "exec_stdin_close":
                process.close_stdin()
            case "exec_kill":
                process.kill()
            case _:
                await self._channel.send(
                    type="error", id=request_id, message=f"invalid message type {kind}"
                )

    def _follow(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._tasks.add(asyncio.create_task(coroutine))

    async def _tell(
        self, messages: asyncio.Queue[dict[str, Any]], pid: int, request_id: str
    ) -> None:
        await self._channel.send(type="exec_started", id=request_id, pid=pid)
        while True:
            message = await messages.get()
            await self._channel.send(**message, id=request_id, pid=pid)
            if message["type"] == "exec_exit":
                return
