"""Webhooks: registrations, and deliveries to a receiver of another make."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from nullspace import (
    Lifecycle,
    LifecycleOperation,
    LifecycleWebhookDeliveryStatus,
    NotFoundError,
    Sandbox,
    SandboxError,
)

from server import LocalServer, running_server
from webhook_receiver import Receiver, running_receiver

Eventually = Callable[[Callable[[], object]], None]
SECRET = "whsec_ünïcode"


@pytest.fixture(scope="module")
def hooks(environment: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    """A server that does not take an hour to give up."""
    with running_server("--webhook-retry-delays", "0.02,0.05") as server:
        yield server


@pytest.fixture
def lifecycle(hooks: LocalServer) -> Iterator[Lifecycle]:
    one = Lifecycle(api_key=hooks.key, base_url=hooks.url)
    yield one
    for webhook in one.list_webhooks():
        one.delete_webhook(webhook.id)
    one.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as one:
        yield one


def test_registrations(lifecycle: Lifecycle) -> None:
    made = lifecycle.create_webhook("https://hooks.example.test/ns", ["create", "destroy"], SECRET)
    assert made.enabled and made.has_signing_secret
    assert made.operations == [LifecycleOperation.CREATE, LifecycleOperation.DESTROY]
    assert lifecycle.get_webhook(made.id) == made
    assert lifecycle.list_webhooks() == [made]
    changed = lifecycle.update_webhook(
        made.id, url="https://hooks.example.test/2", operations=["fork"], enabled=False
    )
    assert (changed.url, changed.enabled) == ("https://hooks.example.test/2", False)
    assert changed.operations == [LifecycleOperation.FORK]
    assert lifecycle.update_webhook(made.id).url == changed.url
    assert lifecycle.list_webhook_deliveries(made.id) == []
    lifecycle.delete_webhook(made.id)
    for call in (lifecycle.get_webhook, lifecycle.delete_webhook, lifecycle.list_webhook_deliveries):
        with pytest.raises(NotFoundError):
            call(made.id)
    for url in ("http://hooks.example.test/", "nonsense", ""):
        with pytest.raises(SandboxError) as caught:
            lifecycle.create_webhook(url, ["create"], SECRET)
        assert caught.value.code == "invalid_request"


def test_a_delivery_can_be_verified(
    lifecycle: Lifecycle, hooks: LocalServer, receiver: Receiver, eventually: Eventually
) -> None:
    webhook = lifecycle.create_webhook(receiver.url, ["create", "destroy"], SECRET)
    with Sandbox.create(api_key=hooks.key, base_url=hooks.url) as sandbox:
        pass
    eventually(lambda: len(receiver.posted) == 3)
    assert all(post.is_signed_with(SECRET) for post in receiver.posted)
    assert not any(post.is_signed_with("another") for post in receiver.posted)
    assert {post.event["sandbox_id"] for post in receiver.posted} == {sandbox.id}
    assert {post.headers["x-nullspace-webhook-id"] for post in receiver.posted} == {webhook.id}
    by_event = {post.headers["x-nullspace-event-id"]: post for post in receiver.posted}
    assert set(by_event) == {
        event.id for event in lifecycle.list_sandbox_events(sandbox.id).events
    }

    eventually(
        lambda: all(
            delivery.delivery_status is LifecycleWebhookDeliveryStatus.SUCCEEDED
            for delivery in lifecycle.list_webhook_deliveries(webhook.id)
        )
    )
    deliveries = lifecycle.list_webhook_deliveries(webhook.id, limit=2)
    assert len(deliveries) == 2
    detail = lifecycle.get_webhook_delivery(webhook.id, deliveries[0].id)
    assert detail.delivery == deliveries[0]
    assert detail.event.id == deliveries[0].event_id
    assert [attempt.response_status for attempt in detail.attempts] == [200]
    posted = by_event[detail.event.id]
    assert posted.headers["x-nullspace-delivery-id"] == detail.delivery.id
    assert lifecycle.get_webhook(webhook.id).last_delivery_status == "succeeded"


def test_failures_are_tried_again_and_given_up(
    lifecycle: Lifecycle, hooks: LocalServer, receiver: Receiver, eventually: Eventually
) -> None:
    receiver.statuses = [500, 429, 503, 500]
    webhook = lifecycle.create_webhook(receiver.url, ["create"], SECRET)

    def outcome() -> list[str]:
        return [one.delivery_status.value for one in lifecycle.list_webhook_deliveries(webhook.id)]

    with Sandbox.create(api_key=hooks.key, base_url=hooks.url):
        eventually(lambda: outcome() == ["dead_letter"])
    with Sandbox.create(api_key=hooks.key, base_url=hooks.url):
        eventually(lambda: outcome() == ["succeeded", "dead_letter"])
    assert len(receiver.posted) == 5
    good, dead = lifecycle.list_webhook_deliveries(webhook.id)
    assert (dead.attempt_count, dead.last_response_status) == (3, 503)
    assert dead.last_error == "HTTP 503" and dead.next_attempt_at is None
    assert good.attempt_count == 2 and good.last_error is None
    attempts = lifecycle.get_webhook_delivery(webhook.id, dead.id).attempts
    assert [one.response_status for one in attempts] == [500, 429, 503]
    assert [one.attempt_number for one in attempts] == [1, 2, 3]


def test_a_rotated_secret(
    lifecycle: Lifecycle, hooks: LocalServer, receiver: Receiver, eventually: Eventually
) -> None:
    webhook = lifecycle.create_webhook(receiver.url, ["create"], SECRET, enabled=False)
    with Sandbox.create(api_key=hooks.key, base_url=hooks.url):
        pass
    lifecycle.update_webhook(webhook.id, signing_secret="rotated", enabled=True)
    with Sandbox.create(api_key=hooks.key, base_url=hooks.url) as sandbox:
        eventually(lambda: receiver.posted)
    assert [post.event["sandbox_id"] for post in receiver.posted] == [sandbox.id]
    assert receiver.posted[0].is_signed_with("rotated")
