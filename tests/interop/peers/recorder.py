"""What the peer saw, kept for the tests that ask, and a way to wait until it has seen enough."""

from __future__ import annotations

import asyncio
from typing import Any


class Recorder:
    def __init__(self) -> None:
        self._events: list[dict[str, Any]] = []
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def note(self, event: str, **facts: Any) -> None:
        self._events.append({"event": event, **facts})
        task = asyncio.get_running_loop().create_task(self._announce())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _announce(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def matching(self, wanted: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            event
            for event in self._events
            if all(event.get(key) == value for key, value in wanted.items())
        ]

    async def wait_for(
        self, wanted: dict[str, Any], count: int, timeout: float
    ) -> list[dict[str, Any]] | None:
        """The matching events once there are that many, or nothing when they did not come."""

        async def enough() -> None:
            async with self._changed:
                await self._changed.wait_for(lambda: len(self.matching(wanted)) >= count)

        try:
            await asyncio.wait_for(enough(), timeout)
        except asyncio.TimeoutError:
            return None
        return self.matching(wanted)
