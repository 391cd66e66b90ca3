"""HTTP/1.1 as far as the API needs it, on asyncio streams."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit


@dataclass
class Request:
    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    # The request line and headers as they came.
    head: bytes

    @property
    def path(self) -> str:
        """Still percent-encoded."""
        return urlsplit(self.target).path

    @property
    def segments(self) -> list[str]:
        return [unquote(part) for part in self.path.strip("/").split("/")]

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    def header(self, name: str) -> str | None:
        for key, value in self.headers:
            if key.lower() == name:
                return value
        return None

    @property
    def is_upgrade(self) -> bool:
        return (self.header("upgrade") or "").lower() == "websocket"

    def json(self) -> Any:
        return json.loads(self.body) if self.body else None


class NotHttp(Exception):
    """A client that speaks TLS to a server that does not."""


TLS_HANDSHAKE = b"\x16"


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """The next request of a connection, or nothing at its end."""
    try:
        head = await reader.readexactly(1)
        if head == TLS_HANDSHAKE:
            raise NotHttp
        head += await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    request_line, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, target, _version = request_line.split(" ")
    headers = [(name, value.strip()) for name, value in (line.split(":", 1) for line in lines)]
    request = Request(method, target, headers, b"", head)
    length = int(request.header("content-length") or 0)
    if request.header("transfer-encoding"):
        raise ValueError("this peer wants requests with a content-length")
    try:
        request.body = await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return request


@dataclass
class Response:
    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()

    def encode(self) -> bytes:
        reason = HTTPStatus(self.status).phrase
        lines = [f"HTTP/1.1 {self.status} {reason}", f"Content-Length: {len(self.body)}"]
        if self.body:
            lines.append(f"Content-Type: {self.content_type}")
        lines += [f"{name}: {value}" for name, value in self.headers]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + self.body


def answer(value: Any, status: int = 200, **headers: str) -> Response:
    named = tuple((name.replace("_", "-"), text) for name, text in headers.items())
    return Response(status, json.dumps(value).encode(), headers=named)


def flat_error(status: int, code: str, message: str, **more: Any) -> Response:
    return answer({"error": message, "code": code, **more}, status)


def nested_error(status: int, code: str, message: str, **more: Any) -> Response:
    return answer({"error": {"code": code, "message": message, **more}}, status)
