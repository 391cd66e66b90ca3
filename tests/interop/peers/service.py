"""A small service that speaks the Nullspace protocol, written from its description alone, and misbehaves on request.

The first line on standard output is a JSON object with `port` and, with --tls, `ca_file` and `other_ca_file`. After it,
every line on standard input is a JSON question and is answered with one line. The service ends when its input ends.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from websockets.exceptions import InvalidState

import lifecycle_channel
import monitor_channel
import rest_faults
import upgrade_faults
from account import Account
from certificates import make_certificates
from exec_channel import ExecChannel
from http_wire import NotHttp, Request, read_request
from pty_channel import PtyChannel
from recorder import Recorder
from rest import Rest
from rest_faults import Exchange
from websocket_wire import Channel

Fault = Callable[[Exchange], Awaitable[None]]


class Script:
    """What to play for the next requests of one kind; when it is played, everything is good again."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._repeat = False

    def set(self, names: list[str], repeat: bool) -> None:
        self._names, self._repeat = names, repeat

    def next(self) -> str:
        if not self._names:
            return "good"
        return self._names[0] if self._repeat else self._names.pop(0)


class Service:
    def __init__(self, api_key: str, prefix: str) -> None:
        self.recorder = Recorder()
        self.account = Account()
        self.rest = Rest(self.account, api_key)
        self.settings: dict[str, str] = {}
        self.scripts = {
            "rest": Script(), "upgrade": Script(), "monitor": Script(), "lifecycle": Script(),
        }  # fmt: skip
        self._prefix = prefix
        self._connections: set[asyncio.Task[None]] = set()

    # ---- connections

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.recorder.note("connection")
        try:
            while (request := await read_request(reader)) is not None:
                self.recorder.note(
                    "request",
                    method=request.method,
                    target=request.target,
                    path=request.path,
                    headers={name.lower(): value for name, value in request.headers},
                    body=request.body.decode("utf-8", "replace"),
                    upgrade=request.is_upgrade,
                )
                request.target = request.target.removeprefix(self._prefix)
                if request.is_upgrade:
                    await self._upgrade(request, reader, writer)
                    return
                await self._answer(request, writer)
                if writer.is_closing():
                    return
        except NotHttp:
            self.recorder.note("not_http")
            writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        except (ConnectionError, ssl.SSLError, InvalidState):
            # The client was gone first.
            pass
        finally:
            writer.close()

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        exchange = Exchange(request, writer, self.rest.respond, self.settings)
        name = "good" if request.path == "/healthz" else self.scripts["rest"].next()
        await rest_faults.FAULTS[name](exchange)

    async def _upgrade(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        exchange = Exchange(request, writer, self.rest.respond, self.settings)
        name = self.scripts["upgrade"].next()
        if name != "good":
            await upgrade_faults.FAULTS[name](exchange)
            return
        if not self.rest.authorized(request):
            await upgrade_faults.FAULTS["401"](exchange)
            return
        match request.segments:
            case ["v1", "monitor", "ws"]:
                channel = Channel("monitor", reader, writer, self.recorder)
                await channel.accept(request)
                await monitor_channel.serve(channel, self.account, self.scripts["monitor"].next())
            case ["v1", "lifecycle", "ws"]:
                channel = Channel("lifecycle", reader, writer, self.recorder)
                await channel.accept(request)
                await lifecycle_channel.serve(channel, self.scripts["lifecycle"].next())
            case ["v1", "sandboxes", sandbox_id, "ws"] if sandbox_id in self.account.sandboxes:
                sandbox = self.account.sandboxes[sandbox_id]
                kind = request.query.get("channel")
                channel = Channel(str(kind), reader, writer, self.recorder)
                await channel.accept(request)
                if kind == "exec":
                    await ExecChannel(channel, self.account, sandbox).serve()
                elif kind == "pty":
                    await PtyChannel(channel, self.account, sandbox).serve()
            case _:
                await upgrade_faults.FAULTS["404"](exchange)

    # ---- questions of the test

    async def reply(self, question: dict[str, Any]) -> Any:
        match question.pop("ask"):
            case "events":
                return self.recorder.matching(question)
            case "await":
                count, timeout = question.pop("count"), question.pop("timeout")
                return await self.recorder.wait_for(question, count, timeout)
            case "script":
                self.scripts[question["what"]].set(question["play"], question["repeat"])
                return None
            case "set":
                self.settings.update(question)
                return None
            case "sandboxes":
                return {"now": list(self.account.sandboxes), "ever": self.account.created_ever}
        raise ValueError(f"what is that: {question}")


async def answer_questions(service: Service) -> None:
    loop = asyncio.get_running_loop()
    questions = asyncio.StreamReader(limit=1 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(questions), sys.stdin)
    while line := await questions.readline():
        print(json.dumps(await service.reply(json.loads(line))), flush=True)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--api-key", default="ns_test_key")
    parser.add_argument("--prefix", default="", help="path in front of /v1")
    parser.add_argument("--tls", help="kind of certificate: good, expired, ...")
    options = parser.parse_args()

    service = Service(options.api_key, options.prefix)
    with tempfile.TemporaryDirectory(prefix="nullspace-peer-") as directory:
        hello: dict[str, Any] = {}
        context = None
        if options.tls:
            certificates = make_certificates(options.tls, Path(directory))
            context = certificates.context
            hello["ca_file"] = str(certificates.ca_file)
            hello["other_ca_file"] = str(certificates.other_ca_file)
        server = await asyncio.start_server(
            service.accept, options.host, 0, limit=1 << 20, ssl=context
        )
        hello["port"] = server.sockets[0].getsockname()[1]
        print(json.dumps(hello), flush=True)
        await answer_questions(service)
        server.close()


if __name__ == "__main__":
    asyncio.run(main())
