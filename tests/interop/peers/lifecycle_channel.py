"""`/v1/lifecycle/ws` of a service that has a log of old events, repeats few of them at once, and keeps no list of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from websocket_wire import Channel

LOG_SIZE = 250
BEGIN = datetime(2020, 5, 2, 8, tzinfo=timezone.utc)


def event(number: int) -> dict[str, Any]:
    return {
        "id": f"evt_{number}",
        "occurred_at": (BEGIN + timedelta(seconds=number)).isoformat(),
        "audience": "customer",
        "operation": "timeout_updated" if number % 2 else "levitate",
        "status": "succeeded",
        "sandbox_id": "sb_1",
        "snapshot_id": None,
        "actor_kind": "user",
        "metadata": None,
        "shoe_size": 43,
    }


class Stream:
    """One subscription: where it begins, and how much is repeated."""

    def __init__(self, channel: Channel, subscribe: dict[str, Any]) -> None:
        self.channel = channel
        after = subscribe.get("after_event_id")
        limit = subscribe.get("replay_limit", 100)
        self.begin = int(after.removeprefix("evt_")) if after else max(LOG_SIZE - limit, 0)
        self.end = min(self.begin + limit, LOG_SIZE)

    async def accept(self) -> None:
        await self.channel.send(
            type="subscribed", subscription={"audience": "customer"}, reconnect_mode="live_only"
        )

    async def tell(self, first: int, last: int) -> None:
        for number in range(first, last + 1):
            await self.channel.send(type="event", event=event(number))


async def good(stream: Stream) -> None:
    await stream.accept()
    await stream.tell(stream.begin + 1, stream.end)


async def repeat(stream: Stream) -> None:
    """The switch from repeated to live events is not clean."""
    await stream.accept()
    await stream.tell(max(stream.begin - 20, 1), stream.end)
    await stream.tell(max(stream.end - 5, 1), stream.end)


async def hang_up(stream: Stream) -> None:
    await stream.accept()
    await stream.tell(stream.begin + 1, min(stream.begin + 10, stream.end))
    await stream.channel.hang_up()


async def close_1011(stream: Stream) -> None:
    await stream.accept()
    await stream.tell(stream.begin + 1, min(stream.begin + 10, stream.end))
    await stream.channel.close(1011, "store lost")


async def close_at_once(stream: Stream) -> None:
    await stream.channel.close(1000)


async def forgetful(stream: Stream) -> None:
    await stream.channel.send(type="error", message="unknown after_event_id")
    await stream.channel.close(1000)


async def unavailable(stream: Stream) -> None:
    await stream.channel.send(type="error", message="lifecycle store unavailable")


async def nonsense(stream: Stream) -> None:
    await stream.accept()
    await stream.tell(stream.begin + 1, stream.begin + 1)
    await stream.channel.send_text('{"type":"event","event":{"id":"evt_x"}}')
    await stream.channel.send(type="error", message="lifecycle store unavailable")
    await stream.channel.send(type="horoscope")
    await stream.tell(stream.begin + 2, stream.end)


STREAMS: dict[str, Callable[[Stream], Awaitable[None]]] = {
    stream.__name__.replace("_", "-"): stream
    for stream in (
        good, repeat, hang_up, close_1011, close_at_once, forgetful, unavailable, nonsense,
    )
}  # fmt: skip


async def serve(channel: Channel, name: str) -> None:
    player: asyncio.Task[None] | None = None
    try:
        while (message := await channel.receive()) is not None:
            player = asyncio.ensure_future(STREAMS[name](Stream(channel, message)))
    finally:
        if player:
            player.cancel()
