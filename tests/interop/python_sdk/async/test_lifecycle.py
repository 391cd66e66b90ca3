"""What happened to sandboxes, asynchronously: lists, streams, subscriptions and webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from nullspace import AsyncLifecycle, AsyncSandbox, LifecycleEvent, NotFoundError, SandboxError

from webhook_receiver import running_receiver

Becomes = Callable[[Callable[[], Awaitable[object]]], Awaitable[None]]


def steps(events: list[LifecycleEvent]) -> list[str]:
    return [f"{event.operation.value}/{event.status.value}" for event in events]


@pytest_asyncio.fixture
async def lifecycle(environment: pytest.MonkeyPatch) -> AsyncIterator[AsyncLifecycle]:
    one = AsyncLifecycle()
    yield one
    await one.close()


async def test_lists(lifecycle: AsyncLifecycle) -> None:
    sandbox = await AsyncSandbox.create()
    snapshot = await sandbox.hibernate()
    events = (await sandbox.list_lifecycle(order_asc=True)).events
    assert steps(events) == [
        "create/succeeded",
        "hibernate/requested",
        "hibernate/succeeded",
        "snapshot_created/succeeded",
    ]
    of_snapshot = await lifecycle.list_snapshot_events(snapshot.id, order_asc=True)
    assert of_snapshot.events == events[2:]
    page = await lifecycle.list_events(sandbox_id=sandbox.id, limit=3)
    assert page.has_more and len(page.events) == 3
    with pytest.raises(NotFoundError):
        await lifecycle.list_sandbox_events("sb_nobody")


async def test_streams(lifecycle: AsyncLifecycle) -> None:
    sandbox = await AsyncSandbox.create()
    known = (await sandbox.list_lifecycle()).events
    stream = sandbox.stream_events()
    assert await anext(stream) == known[0]
    await sandbox.kill()
    assert steps([await anext(stream), await anext(stream)]) == [
        "destroy/requested",
        "destroy/succeeded",
    ]
    await stream.aclose()
    after = lifecycle.stream_events(sandbox_id=sandbox.id, after_event_id=known[0].id)
    assert (await anext(after)).operation == "destroy"
    await after.aclose()
    with pytest.raises(SandboxError) as caught:
        await anext(lifecycle.stream_events(after_event_id="evt_none"))
    assert caught.value.code == "websocket_error"


async def test_a_subscription_calls_back(lifecycle: AsyncLifecycle) -> None:
    events: asyncio.Queue[LifecycleEvent] = asyncio.Queue()
    subscription = await lifecycle.subscribe(operation="create", on_event=events.put_nowait)
    made = {(await AsyncSandbox.create()).id for _ in range(3)}
    seen: set[str | None] = set()
    while not made <= seen:
        event = await asyncio.wait_for(events.get(), 60)
        assert event.operation == "create"
        seen.add(event.sandbox_id)
    await subscription.stop()


async def test_webhooks(lifecycle: AsyncLifecycle, becomes_true: Becomes) -> None:
    with running_receiver() as receiver:
        webhook = await lifecycle.create_webhook(receiver.url, ["create"], "whsec")
        assert [one.id for one in await lifecycle.list_webhooks()] == [webhook.id]
        await AsyncSandbox.create()

        async def delivered() -> bool:
            listed = await lifecycle.list_webhook_deliveries(webhook.id)
            return [one.delivery_status for one in listed] == ["succeeded"]

        await becomes_true(delivered)
        assert receiver.posted[0].is_signed_with("whsec")
        listed = await lifecycle.list_webhook_deliveries(webhook.id)
        detail = await lifecycle.get_webhook_delivery(webhook.id, listed[0].id)
        assert detail.event.id == receiver.posted[0].headers["x-nullspace-event-id"]
        assert not (await lifecycle.update_webhook(webhook.id, enabled=False)).enabled
        await lifecycle.delete_webhook(webhook.id)
        with pytest.raises(NotFoundError):
            await lifecycle.get_webhook(webhook.id)
