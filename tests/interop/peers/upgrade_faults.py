"""Ways to answer a WebSocket upgrade with anything but a WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from http_wire import Response, flat_error
from rest_faults import Exchange

CODES = {
    401: "unauthorized",
    403: "forbidden",
    404: "sandbox_not_found",
    429: "rate_limit_exceeded",
    500: "internal_error",
    501: "not_implemented",
    503: "feature_unavailable",
}


def refuse(status: int) -> Callable[[Exchange], Awaitable[None]]:
    async def fault(exchange: Exchange) -> None:
        await exchange.send(flat_error(status, CODES[status], f"refused with {status}").encode())

    return fault


async def silent(exchange: Exchange) -> None:
    await asyncio.Event().wait()


async def reset(exchange: Exchange) -> None:
    exchange.reset()


async def hang_up(exchange: Exchange) -> None:
    exchange.hang_up()


async def html(exchange: Exchange) -> None:
    await exchange.send(Response(200, b"<!doctype html>", "text/html").encode())


async def redirect(exchange: Exchange) -> None:
    target = exchange.settings["redirect_to"] + exchange.request.target
    await exchange.send(Response(302, headers=(("Location", target),)).encode())


async def wrong_accept(exchange: Exchange) -> None:
    """The answer to somebody else's upgrade."""
    await exchange.send(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    )
    await asyncio.Event().wait()


FAULTS: dict[str, Callable[[Exchange], Awaitable[None]]] = {
    **{str(status): refuse(status) for status in CODES},
    "silent": silent,
    "reset": reset,
    "hang-up": hang_up,
    "html": html,
    "redirect": redirect,
    "wrong-accept": wrong_accept,
}
