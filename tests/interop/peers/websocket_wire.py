"""One WebSocket connection, driven by hand, so that it can also be driven badly.

Frames come from the sans-I/O layer of the `websockets` package; when and how they reach the socket is decided here.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import ssl
from typing import Any

from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol

from http_wire import Request
from recorder import Recorder

CLOSE_TIMEOUT = 5.0


class Channel:
    """The server's end of a connection whose upgrade was accepted."""

    def __init__(
        self,
        name: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        recorder: Recorder,
    ) -> None:
        self.name = name
        self.recorder = recorder
        self._reader = reader
        self._writer = writer
        self._protocol = ServerProtocol(max_size=None)
        self._messages: asyncio.Queue[str | None] = asyncio.Queue()
        self._parts: list[bytes] = []
        self._pump: asyncio.Task[None] | None = None

    async def accept(self, request: Request) -> None:
        self._protocol.receive_data(request.head)
        [handshake] = self._protocol.events_received()
        self._protocol.send_response(self._protocol.accept(handshake))
        await self._flush()
        self._pump = asyncio.create_task(self._read())

    # ---- reading

    async def _read(self) -> None:
        try:
            while data := await self._reader.read(65536):
                self._protocol.receive_data(data)
                for frame in self._protocol.events_received():
                    self._take(frame)
                await self._flush()
        except (ConnectionError, ssl.SSLError):
            pass
        close = self._protocol.close_rcvd
        self.recorder.note(
            "closed", channel=self.name, code=close.code if close is not None else 1006
        )
        self._messages.put_nowait(None)

    def _take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.PONG:
            self.recorder.note("pong", channel=self.name, data=bytes(frame.data).decode("latin-1"))
        elif frame.opcode is Opcode.PING:
            self.recorder.note("ping", channel=self.name)
        elif frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            self._parts.append(bytes(frame.data))
            if frame.fin:
                text = b"".join(self._parts).decode()
                self._parts.clear()
                self._messages.put_nowait(text)

    async def receive(self) -> dict[str, Any] | None:
        """The next message of the client, or nothing once the connection is over."""
        while True:
            text = await self._messages.get()
            if text is None:
                self._messages.put_nowait(None)
                return None
            try:
                message = json.loads(text)
            except ValueError:
                message = None
            if isinstance(message, dict):
                self.recorder.note("message", channel=self.name, message=message)
                return message
            await self.send(type="error", message=f"invalid message: {text[:40]}")

    def stop_reading(self) -> None:
        assert self._pump is not None
        self._pump.cancel()

    # ---- writing

    async def _flush(self) -> None:
        parts = self._protocol.data_to_send()
        self._writer.write(b"".join(parts))
        if b"" in parts:
            if self._writer.can_write_eof():
                self._writer.write_eof()
            else:
                self._writer.close()
        await self._writer.drain()

    async def send(self, **message: Any) -> None:
        await self.send_text(json.dumps(message))

    async def send_text(self, text: str) -> None:
        self._protocol.send_text(text.encode())
        await self._flush()

    async def send_texts(self, texts: list[str]) -> None:
        for text in texts:
            self._protocol.send_text(text.encode())
        await self._flush()

    async def send_fragmented(self, text: str, pieces: int) -> None:
        """One message in several frames, cut anywhere, inside a UTF-8 sequence too, with a ping in between."""
        data = text.encode()
        size = len(data) // pieces + 1
        parts = [data[start : start + size] for start in range(0, len(data), size)]
        self._protocol.send_text(parts[0], fin=len(parts) == 1)
        for index, part in enumerate(parts[1:], 2):
            self._protocol.send_ping(b"in between")
            self._protocol.send_continuation(part, fin=index == len(parts))
        await self._flush()

    async def send_frame(self, opcode: Opcode, data: bytes) -> None:
        """A frame that nobody checked."""
        await self.send_bytes(Frame(opcode, data).serialize(mask=False))

    async def send_bytes(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def ping(self, data: bytes) -> None:
        self._protocol.send_ping(data)
        await self._flush()

    async def ping_and_wait(self) -> None:
        """Returns once the client has read everything that was sent before."""
        data = secrets.token_hex(8)
        await self.ping(data.encode())
        pong = {"event": "pong", "channel": self.name, "data": data}
        await self.recorder.wait_for(pong, 1, CLOSE_TIMEOUT)

    # ---- ending

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """A close handshake."""
        if self._protocol.close_sent is None:
            self._protocol.send_close(code, reason)
            try:
                await self._flush()
            except (ConnectionError, ssl.SSLError):
                pass
        assert self._pump is not None
        await asyncio.wait([self._pump], timeout=CLOSE_TIMEOUT)
        self._writer.close()

    async def hang_up(self) -> None:
        """The end of the TCP stream without a close frame."""
        await self._writer.drain()
        self._writer.close()

    async def reset(self) -> None:
        """The end of the connection without a word."""
        self._writer.transport.abort()

    async def hang_up_in_frame(self, text: str) -> None:
        """Half a frame, and then nothing ever again."""
        data = Frame(Opcode.TEXT, text.encode()).serialize(mask=False)
        self._writer.write(data[: len(data) // 2])
        await self.hang_up()
