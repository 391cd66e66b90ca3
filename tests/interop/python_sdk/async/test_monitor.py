"""The monitor, asynchronously."""

from __future__ import annotations

import asyncio

import pytest
from nullspace import AsyncMonitor, AsyncSandbox, AuthError


class Seen(list):
    """Events, and a way to await one that fits."""

    def __init__(self) -> None:
        super().__init__()
        self._more = asyncio.Event()

    def take(self, event: object) -> None:
        self.append(event)
        self._more.set()

    async def first(self, fits) -> object:
        async def search() -> object:
            while True:
                self._more.clear()
                for event in self:
                    if fits(event):
                        return event
                await self._more.wait()

        return await asyncio.wait_for(search(), 60)


async def test_all_callbacks(sandbox: AsyncSandbox) -> None:
    await sandbox.commands.run("sleep 600", shell=True, background=True)
    snapshots, updates, metrics, processes, errors = Seen(), Seen(), Seen(), Seen(), Seen()
    subscription = await AsyncMonitor().subscribe(
        interval_ms=500,
        include_processes=True,
        on_snapshot=snapshots.take,
        on_update=updates.take,
        on_metrics=metrics.take,
        on_processes=processes.take,
        on_error=errors.take,
    )
    snapshot = await snapshots.first(lambda event: True)
    assert sandbox.id in [info.id for info in snapshot.sandboxes]
    sample = await metrics.first(lambda event: event.sandbox_id == sandbox.id)
    assert sample.metrics.cpu_percent >= 0
    await processes.first(
        lambda event: event.sandbox_id == sandbox.id
        and any("sleep" in entry.command for entry in event.processes)
    )
    other = await AsyncSandbox.create()
    await updates.first(lambda event: event.sandbox_id == other.id and event.sandbox)
    await other.kill()
    gone = await updates.first(lambda event: event.sandbox_id == other.id and event.removed)
    assert gone.sandbox is None
    await subscription.stop()
    await subscription.stop()
    assert errors == []


async def test_a_wrong_key_is_refused() -> None:
    with pytest.raises(AuthError):
        await AsyncMonitor(api_key="ns_wrong").subscribe()
