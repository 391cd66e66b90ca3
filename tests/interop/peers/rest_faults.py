"""Ways to answer a request badly. Each is played instead of, or around, the real answer."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

from http_wire import Request, Response, answer, flat_error, nested_error

MIB = 1 << 20


@dataclass
class Exchange:
    """One request on one connection, and where its answer goes."""

    request: Request
    writer: asyncio.StreamWriter
    # The well-behaved service.
    respond: Callable[[Request], Awaitable[Response]]
    settings: dict[str, str] = field(default_factory=dict)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        self.writer.transport.abort()

    def hang_up(self) -> None:
        self.writer.close()


async def good(exchange: Exchange) -> None:
    await exchange.send((await exchange.respond(exchange.request)).encode())


# ---- the connection


async def lost_answer(exchange: Exchange) -> None:
    """The request is carried out, and then nobody hears of it."""
    await exchange.respond(exchange.request)
    exchange.hang_up()


async def reset_before_answer(exchange: Exchange) -> None:
    exchange.reset()


async def cut_in_head(exchange: Exchange) -> None:
    await exchange.send((await exchange.respond(exchange.request)).encode()[:30])
    exchange.hang_up()


async def cut_in_body(exchange: Exchange) -> None:
    whole = (await exchange.respond(exchange.request)).encode()
    await exchange.send(whole[:-1] if not whole.endswith(b"\r\n\r\n") else whole[:-2])
    exchange.hang_up()


async def stall(exchange: Exchange) -> None:
    await asyncio.Event().wait()


async def stall_in_head(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-")
    await asyncio.Event().wait()


async def stall_in_body(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    await asyncio.Event().wait()


async def drip(exchange: Exchange) -> None:
    """The right answer, one byte at a time."""
    whole = (await exchange.respond(exchange.request)).encode()
    for position in range(len(whole)):
        await exchange.send(whole[position : position + 1])
        await asyncio.sleep(0.002)


async def drip_for_ever(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while not exchange.writer.is_closing():
        await exchange.send(b" ")
        await asyncio.sleep(0.02)


# ---- right answers in other shapes


async def chunked(exchange: Exchange) -> None:
    """Behind an interim answer, in chunks, with a trailer."""
    await exchange.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    response = await exchange.respond(exchange.request)
    if not response.body:
        await exchange.send(response.encode())
        return
    head = b"HTTP/1.1 %d OK\r\n" % response.status
    await exchange.send(head + b"Transfer-Encoding: chunked\r\n\r\n")
    for start in range(0, len(response.body), 10):
        chunk = response.body[start : start + 10]
        await exchange.send(b"%x;note=1\r\n%s\r\n" % (len(chunk), chunk))
    await exchange.send(b"0\r\nX-Trailer: here\r\n\r\n")


async def compressed(exchange: Exchange) -> None:
    response = await exchange.respond(exchange.request)
    if response.body:
        response.body = gzip.compress(response.body)
        response.headers = (("Content-Encoding", "gzip"),)
    await exchange.send(response.encode())


async def until_close(exchange: Exchange) -> None:
    """Without a length: the body ends with the connection."""
    response = await exchange.respond(exchange.request)
    await exchange.send(b"HTTP/1.1 %d\r\n\r\n" % response.status + response.body)
    exchange.hang_up()


async def close_unannounced(exchange: Exchange) -> None:
    """A whole answer, and then the connection is closed although nobody said so."""
    await good(exchange)
    exchange.hang_up()


# ---- answers of somebody else


async def not_http(exchange: Exchange) -> None:
    await exchange.send(b"220 mail.example ESMTP ready\r\n")
    exchange.hang_up()


async def redirect(exchange: Exchange) -> None:
    target = exchange.settings["redirect_to"] + exchange.request.target
    await exchange.send(Response(302, headers=(("Location", target),)).encode())


# ---- answers


def sends(response: Response) -> Callable[[Exchange], Awaitable[None]]:
    async def fault(exchange: Exchange) -> None:
        await exchange.send(response.encode())

    return fault


def body(data: bytes | str, status: int = 200) -> Callable[[Exchange], Awaitable[None]]:
    return sends(Response(status, data.encode() if isinstance(data, str) else data))


async def wrong_types(exchange: Exchange) -> None:
    """The real answer with every string a number and every number a string."""

    def twist(value: object) -> object:
        match value:
            case dict():
                return {key: twist(member) for key, member in value.items()}
            case list():
                return [twist(member) for member in value]
            case str():
                return 4711
            case bool() | None:
                return {"why": "not"}
            case _:
                return str(value)

    response = await exchange.respond(exchange.request)
    if response.body:
        response.body = json.dumps(twist(json.loads(response.body))).encode()
    else:
        response = Response(200, b"17")
    await exchange.send(response.encode())


async def unknown_enums(exchange: Exchange) -> None:
    response = await exchange.respond(exchange.request)
    if response.body:
        value = json.loads(response.body)
        value["status"] = "levitating"
        value["timeout_action"] = "sublimate"
        response.body = json.dumps(value).encode()
    await exchange.send(response.encode())


async def rate_limited_until_date(exchange: Exchange) -> None:
    soon = datetime.now(timezone.utc) + timedelta(seconds=30)
    response = flat_error(429, "rate_limit_exceeded", "slow down")
    response.headers = (("Retry-After", format_datetime(soon, usegmt=True)),)
    await exchange.send(response.encode())


def rate_limited(retry_after: str | None, code: str | None = "rate_limit_exceeded") -> Response:
    response = answer({"error": "slow down", **({"code": code} if code else {})}, 429)
    if retry_after is not None:
        response.headers = (("Retry-After", retry_after),)
    return response


FULL_FLAT = flat_error(
    409, "SANDBOX_NOT_READY", "still \u201cstarting\u201d", request_id="req_51aa", retryable=True,
    suggested_action="Wait a moment.", details={"port": 22},
)  # fmt: skip
FULL_NESTED = nested_error(
    502, "exec_failed", "the runtime said no", request_id="req_77b0", retryable=False,
    suggested_action="Look at the host.", details={"attempts": [1, 2]},
)  # fmt: skip

FAULTS: dict[str, Callable[[Exchange], Awaitable[None]]] = {
    "good": good,
    "lost-answer": lost_answer,
    "reset": reset_before_answer,
    "cut-in-head": cut_in_head,
    "cut-in-body": cut_in_body,
    "stall": stall,
    "stall-in-head": stall_in_head,
    "stall-in-body": stall_in_body,
    "drip": drip,
    "drip-for-ever": drip_for_ever,
    "chunked": chunked,
    "compressed": compressed,
    "until-close": until_close,
    "close-unannounced": close_unannounced,
    "not-http": not_http,
    "redirect": redirect,
    "html-502": sends(Response(502, b"<html><h1>502 Bad Gateway</h1></html>", "text/html")),
    "html-200": sends(Response(200, b"<!doctype html><title>Log in</title>", "text/html")),
    "unavailable": sends(flat_error(503, "feature_unavailable", "not today")),
    "internal-error": sends(flat_error(500, "internal_error", "oops")),
    "empty": sends(Response(200)),
    "empty-500": sends(Response(500)),
    "malformed": body('{"id": "sb_1", "status": }'),
    "truncated": body('{"id": "sb_1", "status": "runn'),
    "trailing": body('{"id": "sb_1"} {"id": "sb_2"}'),
    "deep": body("[" * 100_000 + "]" * 100_000),
    "deep-error": body('{"error":' * 50_000 + "1" + "}" * 50_000, 500),
    "absurd-number": body('{"id": "sb_1", "timeout_ms": 1e999999999}'),
    "long-number": body('{"id": "sb_1", "timeout_ms": ' + "9" * 100_000 + "}"),
    "huge": body(b'{"id": "' + b"x" * (4 * MIB) + b'"}'),
    "bad-utf8": body(b'{"id": "sb_\xff\xfe", "status": "running"}'),
    "string": body('"hello"'),
    "array": body("[[], {}, 3]"),
    "array-error": body("[1, 2, 3]", 500),
    "null": body("null"),
    "wrong-types": wrong_types,
    "unknown-enums": unknown_enums,
    "flat-error": sends(FULL_FLAT),
    "nested-error": sends(FULL_NESTED),
    "bad-detail": sends(
        flat_error(400, "build_error", "no", error_detail={"code": "x", "retryable": "sometimes"})
    ),
    "rate-limit": sends(rate_limited("0.05")),
    "rate-limit-now": sends(rate_limited("0")),
    "rate-limit-without-code": sends(rate_limited("0", None)),
    "rate-limit-unsaid": sends(rate_limited(None)),
    "rate-limit-date": rate_limited_until_date,
    "rate-limit-far": sends(rate_limited("86400")),
    "capacity": sends(flat_error(429, "capacity_exceeded", "full")),
    "nested-capacity": sends(nested_error(429, "capacity_exceeded", "full")),
    "transition": sends(nested_error(409, "transition_in_progress", "create is still running")),
    "recovery": sends(nested_error(503, "transition_recovery_required", "ask again")),
}
