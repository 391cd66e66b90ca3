"""`/v1/monitor/ws`, well-behaved or, when the test has scripted the connection, not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from account import Account
from websocket_wire import Channel


class Stream:
    """One subscription."""

    def __init__(self, channel: Channel, account: Account, subscribe: dict[str, Any]) -> None:
        self.channel = channel
        self.account = account
        self.id = subscribe["id"]
        self.interval = min(max(subscribe.get("interval_ms", 2000), 500), 10_000) / 1000
        self.with_processes = subscribe.get("include_processes", False)

    async def say(self, kind: str, **fields: Any) -> None:
        await self.channel.send(type=f"monitor_{kind}", id=self.id, **fields)

    async def snapshot(self) -> None:
        everything = [sandbox.describe() for sandbox in self.account.sandboxes.values()]
        await self.say("snapshot", sandboxes=everything)

    async def sample(self) -> None:
        for sandbox in list(self.account.sandboxes.values()):
            await self.say("metrics", sandbox_id=sandbox.id, metrics=sandbox.metrics())
            if self.with_processes:
                processes = [
                    {"pid": one.pid, "command": one.command, "running": one.running, "nice": 0}
                    for one in sandbox.processes.values()
                ]
                await self.say("processes", sandbox_id=sandbox.id, processes=processes)


async def good(stream: Stream) -> None:
    updates = stream.account.watch()
    clock = asyncio.get_running_loop().time
    try:
        await stream.snapshot()
        due = clock()
        while True:
            try:
                update = await asyncio.wait_for(updates.get(), max(0.0, due - clock()))
                await stream.say("update", **update)
            except asyncio.TimeoutError:
                await stream.sample()
                due += stream.interval
    finally:
        stream.account.unwatch(updates)


async def close_1011(stream: Stream) -> None:
    await stream.snapshot()
    await stream.channel.close(1011, "metrics store lost")


async def close_clean(stream: Stream) -> None:
    await stream.snapshot()
    await stream.channel.close(1000)


async def hang_up(stream: Stream) -> None:
    await stream.snapshot()
    await stream.channel.hang_up()


async def malformed(stream: Stream) -> None:
    """One good update before, between and behind messages that are none."""
    await stream.snapshot()
    for number, bad in enumerate(MALFORMED):
        await stream.say("update", sandbox_id=f"sb_good_{number}", sandbox=None, removed=True)
        await stream.channel.send_text(bad.replace("$ID", stream.id))
    await stream.say("update", sandbox_id="sb_last", sandbox=None, removed=True)


# Text that is not JSON, JSON that is no message, messages with something missing or of a wrong type.
MALFORMED = (
    "not json at all",
    "[1,2,3]",
    '{"type":"monitor_update","sandbox_id":"sb_1","removed":true}',
    '{"type":"monitor_update","id":"$ID","removed":true}',
    '{"type":"monitor_metrics","id":"$ID","sandbox_id":"sb_1"}',
    '{"type":"monitor_metrics","id":"$ID","sandbox_id":"sb_1","metrics":{"cpu_percent":"much"}}',
    '{"type":"monitor_processes","id":"$ID","sandbox_id":"sb_1","processes":[{"pid":"x"}]}',
    '{"type":"monitor_snapshot","id":"$ID","sandboxes":{"not":"a list"}}',
    '{"type":"monitor_update","id":"$ID","sandbox_id":"sb_1","sandbox":' + "[" * 200 + "]" * 200 + "}",
)


async def unknown_types(stream: Stream) -> None:
    await stream.snapshot()
    await stream.say("horoscope", sandbox_id="sb_1", text="a good day for disks")
    await stream.channel.send_text('{"nothing":"here"}')
    status = {
        "id": "sb_new", "status": "levitating", "config": {"vcpus": 1, "memory_mb": 1},
    }  # fmt: skip
    await stream.say("update", sandbox_id="sb_new", sandbox=status)
    await stream.say("metrics", sandbox_id="sb_new", metrics={"cpu_percent": 4, "aura": "blue"})


async def errors(stream: Stream) -> None:
    await stream.snapshot()
    await stream.say("error", message="metrics backend unavailable")
    await stream.say("update", sandbox_id="sb_after", sandbox=None, removed=True)


async def pings(stream: Stream) -> None:
    await stream.snapshot()
    for number in range(5):
        await stream.channel.ping(f"ping {number}".encode())
        await asyncio.sleep(0.02)


STREAMS: dict[str, Callable[[Stream], Awaitable[None]]] = {
    stream.__name__.replace("_", "-"): stream
    for stream in (
        good, close_1011, close_clean, hang_up, malformed, unknown_types, errors, pings,
    )
}  # fmt: skip


async def serve(channel: Channel, account: Account, name: str) -> None:
    players: dict[str, asyncio.Task[None]] = {}
    try:
        while (message := await channel.receive()) is not None:
            match message.get("type"):
                case "monitor_subscribe":
                    stream = Stream(channel, account, message)
                    players[stream.id] = asyncio.ensure_future(STREAMS[name](stream))
                case "monitor_unsubscribe":
                    if player := players.pop(message["id"], None):
                        player.cancel()
                case other:
                    await channel.send_text(
                        json.dumps({"type": "error", "message": f"invalid message type {other}"})
                    )
    finally:
        for player in players.values():
            player.cancel()
