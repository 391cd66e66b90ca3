"""What happened to sandboxes: lists, streams and subscriptions."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from nullspace import (
    AuthError,
    Lifecycle,
    LifecycleActorKind,
    LifecycleEvent,
    NotFoundError,
    Sandbox,
    SandboxError,
)

from server import LocalServer

Eventually = Callable[[Callable[[], object]], None]


def steps(events: list[LifecycleEvent]) -> list[str]:
    return [f"{event.operation.value}/{event.status.value}" for event in events]


@pytest.fixture
def lifecycle(environment: pytest.MonkeyPatch) -> Iterator[Lifecycle]:
    one = Lifecycle()
    yield one
    one.close()


def test_a_whole_life(lifecycle: Lifecycle) -> None:
    sandbox = Sandbox.create(timeout=600)
    sandbox.set_timeout(300, timeout_action="hibernate")
    snapshot = sandbox.hibernate()
    resumed = Sandbox.resume(snapshot.id)
    resumed.kill()

    events = lifecycle.list_sandbox_events(sandbox.id, order_asc=True).events
    assert steps(events) == [
        "create/succeeded",
        "timeout_updated/requested",
        "timeout_updated/succeeded",
        "hibernate/requested",
        "hibernate/succeeded",
        "snapshot_created/succeeded",
        "resume_from_snapshot/succeeded",
    ]
    assert events[0].reason == "api" and events[0].metadata["timeout_action"] == "destroy"
    assert events[2].metadata["timeout_action"] == "hibernate"
    assert events[4].snapshot_id == events[5].snapshot_id == snapshot.id
    assert events[5].metadata["created_via"] == "hibernate"
    assert (events[6].sandbox_id, events[6].target_sandbox_id) == (resumed.id, resumed.id)
    assert events[6].source_sandbox_id == sandbox.id
    assert len({event.id for event in events}) == len(events)

    # The ended sandbox can still be asked, and the same event is seen from every side.
    rest = lifecycle.list_sandbox_events(resumed.id, order_asc=True).events
    assert steps(rest)[1:] == ["destroy/requested", "destroy/succeeded"]
    assert rest[0] == events[6] and rest[2].reason == "manual"
    assert events[6] in lifecycle.list_snapshot_events(snapshot.id).events


def test_the_end_of_a_timeout(eventually: Eventually) -> None:
    short = Sandbox.create(timeout=1)
    sleeper = Sandbox.create(timeout=1, timeout_action="hibernate")
    eventually(lambda: "destroy/succeeded" in steps(short.list_lifecycle().events))
    eventually(lambda: "snapshot_created/succeeded" in steps(sleeper.list_lifecycle().events))
    events = short.list_lifecycle(order_asc=True).events
    assert steps(events) == [
        "create/succeeded",
        "timeout_expired/succeeded",
        "destroy/requested",
        "destroy/succeeded",
    ]
    assert events[1].actor_kind is LifecycleActorKind.SYSTEM and events[1].reason == "timeout"
    events = sleeper.list_lifecycle(order_asc=True).events
    assert steps(events) == [
        "create/succeeded",
        "timeout_expired/succeeded",
        "hibernate/requested",
        "hibernate/succeeded",
        "snapshot_created/succeeded",
    ]
    assert all(event.metadata["timeout_action"] == "hibernate" for event in events)


def test_filters_and_pages(lifecycle: Lifecycle) -> None:
    with Sandbox.create() as sandbox:
        for seconds in (60, 70, 80):
            sandbox.set_timeout(seconds)
        page = sandbox.list_lifecycle(limit=2, order_asc=True)
        assert (page.offset, page.limit, page.has_more) == (0, 2, True)
        rest = sandbox.list_lifecycle(offset=2, limit=100, order_asc=True)
        assert not rest.has_more and len(rest.events) == 5
        both = page.events + rest.events
        assert sandbox.list_lifecycle().events == list(reversed(both))
        only = lifecycle.list_events(
            sandbox_id=sandbox.id, operation="timeout_updated", status="requested"
        )
        assert len(only.events) == 3
        last = both[-1].occurred_at.isoformat()
        assert both[-1] in sandbox.list_lifecycle(from_time=last).events
        assert both[-1] not in sandbox.list_lifecycle(to_time=last).events
        assert lifecycle.list_events(audience="customer", limit=1).has_more
    for query in ({"operation": "explode"}, {"limit": 0}, {"from_time": "yesterday"}):
        with pytest.raises(SandboxError) as caught:
            lifecycle.list_events(**query)
        assert caught.value.code == "invalid_request"
    with pytest.raises(NotFoundError):
        lifecycle.list_sandbox_events("sb_nobody")
    with pytest.raises(NotFoundError):
        lifecycle.list_snapshot_events("snap_none")


def test_a_stream_replays_and_goes_on(lifecycle: Lifecycle) -> None:
    sandbox = Sandbox.create()
    sandbox.set_timeout(60)
    known = sandbox.list_lifecycle(order_asc=True).events
    stream = lifecycle.stream_events(sandbox_id=sandbox.id)
    assert [next(stream) for _ in known] == known
    sandbox.kill()
    assert steps([next(stream), next(stream)]) == ["destroy/requested", "destroy/succeeded"]
    stream.close()

    after = sandbox.stream_events(after_event_id=known[1].id, replay_limit=1)
    assert next(after) == known[2]
    after.close()
    expired = lifecycle.stream_events(
        sandbox_id=sandbox.id, operation="destroy", status="succeeded"
    )
    assert next(expired).reason == "manual"
    expired.close()
    by_metadata = sandbox.stream_events(metadata={"timeout_action": "destroy"})
    assert next(by_metadata) == known[0]
    by_metadata.close()


def test_an_unknown_cursor_is_an_error(lifecycle: Lifecycle) -> None:
    with pytest.raises(SandboxError) as caught:
        next(lifecycle.stream_events(after_event_id="evt_none"))
    assert caught.value.code == "websocket_error"


def test_a_subscription_calls_back(lifecycle: Lifecycle, eventually: Eventually) -> None:
    events: list[LifecycleEvent] = []
    errors: list = []
    subscription = lifecycle.subscribe(on_event=events.append, on_error=errors.append)
    sandbox = Sandbox.create()
    sandbox.kill()
    own = lambda: [event for event in events if event.sandbox_id == sandbox.id]  # noqa: E731
    eventually(lambda: len(own()) == 3)
    assert steps(own()) == ["create/succeeded", "destroy/requested", "destroy/succeeded"]
    assert errors == []
    subscription.stop()


def test_strangers_get_nothing(server: LocalServer) -> None:
    with pytest.raises(AuthError):
        Lifecycle(api_key="ns_wrong").list_events()
    with pytest.raises(AuthError):
        Lifecycle(api_key="ns_wrong").subscribe()
