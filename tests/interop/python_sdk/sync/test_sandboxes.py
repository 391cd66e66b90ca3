"""Creating, finding, listing, extending and ending sandboxes."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import httpx
import pytest
from nullspace import (
    ConflictError,
    NotFoundError,
    Sandbox,
    SandboxError,
    SandboxListState,
    SandboxQuery,
    SandboxStatus,
    SandboxTimeoutAction,
)

from server import LocalServer


def test_create_gives_a_running_sandbox() -> None:
    with Sandbox.create() as sandbox:
        assert sandbox.id.startswith("sb_")
        info = sandbox.get_info()
        assert info.id == sandbox.id
        assert info.status is SandboxStatus.RUNNING
        assert info.template == "base"
        assert (info.config.vcpus, info.config.memory_mb) == (2, 512)
        assert info.metadata == {}
        assert info.timeout_ms == 300_000
        assert info.timeout_action is SandboxTimeoutAction.DESTROY
        assert info.expires_at == info.timeout_at
        assert info.started_at is not None and info.created_at is not None
        assert sandbox.is_running()


def test_create_keeps_every_option(server: LocalServer) -> None:
    metadata = {"owner": "ci", "run": 7, "ratio": 1.5, "deep": {"list": [1, None, True]}}
    with Sandbox.create(
        template="base",
        vcpus=1,
        memory_mb=256,
        timeout=900,
        envs={"MODE": "ci", "SPACED": "a b  c"},
        metadata=metadata,
        network={"allow_public_traffic": False},
        cwd="/workspace",
        timeout_action="hibernate",
    ) as sandbox:
        info = sandbox.get_info()
        assert (info.config.vcpus, info.config.memory_mb) == (1, 256)
        assert info.timeout_ms == 900_000
        assert info.timeout_action is SandboxTimeoutAction.HIBERNATE
        assert info.metadata == metadata
        assert info.cwd == sandbox.cwd == "/workspace"
        result = sandbox.commands.run('echo "$MODE|$SPACED|$(pwd)"', shell=True)
        assert result.stdout == "ci|a b  c|/workspace\n"
    with Sandbox.create(template="code-interpreter", on_timeout="pause") as sandbox:
        info = sandbox.get_info()
        assert info.config.memory_mb == 2048
        assert info.timeout_action is SandboxTimeoutAction.HIBERNATE


def test_only_create_tells_the_traffic_token() -> None:
    with Sandbox.create() as sandbox:
        assert sandbox._info.traffic_access_token
        assert sandbox.get_info().traffic_access_token is None


def test_one_idempotency_key_makes_one_sandbox() -> None:
    key = str(uuid.uuid4())
    marker = {"marker": uuid.uuid4().hex}
    first = Sandbox.create(idempotency_key=key, metadata=marker)
    try:
        second = Sandbox.create(idempotency_key=key, metadata=marker)
        assert second.id == first.id
        assert len(list(Sandbox.list(query=SandboxQuery(metadata=marker)))) == 1
        with pytest.raises(ConflictError):
            Sandbox.create(idempotency_key=key, metadata={**marker, "other": True})
    finally:
        first.kill()


def test_connect_finds_the_same_sandbox_and_moves_its_timeout() -> None:
    with Sandbox.create(metadata={"k": "v"}) as sandbox:
        sandbox.commands.run("echo kept > /workspace/file", shell=True)
        again = Sandbox.connect(sandbox.id, timeout=1234)
        assert again.id == sandbox.id
        assert again.commands.run("cat", ["/workspace/file"]).stdout == "kept\n"
        assert again.get_info().timeout_ms == 1_234_000
        assert Sandbox.get_info_by_id(sandbox.id).metadata == {"k": "v"}


def test_get_info_with_fields_gives_only_these() -> None:
    with Sandbox.create() as sandbox:
        assert sandbox.get_info(fields=["id", "status"]) == {"id": sandbox.id, "status": "running"}
        masked = Sandbox.get_info_by_id(sandbox.id, fields="timeout_ms")
        assert masked == {"timeout_ms": 300_000}
        with pytest.raises(SandboxError) as caught:
            sandbox.get_info(fields=["no_such_field"])
        assert caught.value.code == "invalid_fields"


def test_list_pages_and_filters() -> None:
    marker = uuid.uuid4().hex
    sandboxes = [
        Sandbox.create(template="base", metadata={"marker": marker, "parity": number % 2})
        for number in range(5)
    ]
    try:
        query = SandboxQuery(metadata={"marker": marker})
        page = Sandbox.list(query=query, limit=2)
        assert len(page.items) == 2 and page.has_next and page.next_token
        second = Sandbox.list(query=query, limit=2, next_token=page.next_token)
        assert len(second.items) == 2
        everything = [info.id for info in Sandbox.list(query=query, limit=2)]
        assert len(everything) == 5 and set(everything) == {sandbox.id for sandbox in sandboxes}
        # The first page again, walked by hand.
        assert len(page.next_items()) == 2
        assert len(page.next_items()) == 1
        assert not page.has_next and page.next_items() == []

        odd = SandboxQuery(metadata={"marker": marker, "parity": 1})
        assert len(list(Sandbox.list(query=odd))) == 2
        none = SandboxQuery(metadata={"marker": marker}, template="desktop")
        assert list(Sandbox.list(query=none)) == []
        running = SandboxQuery(metadata={"marker": marker}, state=[SandboxStatus.RUNNING])
        assert len(list(Sandbox.list(query=running))) == 5
        assert list(Sandbox.list(query=query, state=SandboxListState.PAUSED)) == []

        compact = Sandbox.list(query=query, fields=["id", "status"])
        assert [sorted(item) for item in compact] == [["id", "status"]] * 5

        # Without any query the answer has another shape; the client takes both.
        assert {sandbox.id for sandbox in sandboxes} <= {info.id for info in Sandbox.list()}
    finally:
        for sandbox in sandboxes:
            sandbox.kill()
    assert list(Sandbox.list(query=query)) == []


def test_a_page_token_from_nowhere_is_refused() -> None:
    with pytest.raises(SandboxError) as caught:
        Sandbox.list(next_token="made up", limit=2)
    assert caught.value.code == "invalid_request"


def test_set_timeout_counts_from_now_and_keeps_the_action() -> None:
    with Sandbox.create(timeout=60, timeout_action="hibernate") as sandbox:
        sandbox.set_timeout(3600)
        info = sandbox.get_info()
        assert info.timeout_ms == 3_600_000
        assert info.timeout_action is SandboxTimeoutAction.HIBERNATE
        assert info.timeout_at is not None
        left = info.timeout_at - datetime.now(timezone.utc)
        assert timedelta(minutes=58) < left <= timedelta(hours=1)
        sandbox.set_timeout(30, timeout_action=SandboxTimeoutAction.DESTROY)
        assert sandbox.get_info().timeout_action is SandboxTimeoutAction.DESTROY


@pytest.mark.parametrize("seconds", [0, -1])
def test_a_timeout_that_is_none_is_refused(seconds: int) -> None:
    with Sandbox.create() as sandbox:
        with pytest.raises(SandboxError) as caught:
            sandbox.set_timeout(seconds)
        assert caught.value.code == "invalid_request"
    with pytest.raises(SandboxError) as caught:
        Sandbox.create(timeout=seconds)
    assert caught.value.code == "invalid_request"


def test_a_sandbox_expires(eventually: Callable[[Callable[[], object]], None]) -> None:
    sandbox = Sandbox.create(timeout=1)

    def gone() -> bool:
        try:
            sandbox.get_info()
        except NotFoundError as error:
            return error.code == "sandbox_not_found"
        return False

    eventually(gone)
    assert sandbox.id not in [info.id for info in Sandbox.list()]


def test_kill_ends_it_for_everybody() -> None:
    sandbox = Sandbox.create()
    other = Sandbox.connect(sandbox.id)
    Sandbox.kill_by_id(sandbox.id)
    for call in (other.get_info, other.get_metrics, lambda: other.commands.run("true"), other.kill):
        with pytest.raises(NotFoundError) as caught:
            call()
        assert caught.value.code == "sandbox_not_found"
    assert sandbox.id not in [info.id for info in Sandbox.list()]


def test_metrics(sandbox: Sandbox, eventually: Callable[[Callable[[], object]], None]) -> None:
    # Something to measure: a process and a file.
    sandbox.commands.run("sleep", ["600"], background=True)
    sandbox.commands.run("head -c 1048576 /dev/urandom > /workspace/measured", shell=True)

    def measured() -> bool:
        last = (sandbox.get_metrics() or [None])[-1]
        return last is not None and last.mem_used_bytes > 0 and last.disk_used_bytes >= 1 << 20

    eventually(measured)
    samples = Sandbox.get_metrics_by_id(sandbox.id)
    last = samples[-1]
    assert last.cpu_percent >= 0 and last.cpu_count >= 1
    assert 0 < last.mem_used_bytes <= last.mem_total_bytes
    assert last.disk_used_bytes <= last.disk_total_bytes
    assert [sample.timestamp for sample in samples] == sorted(
        sample.timestamp for sample in samples
    )


def test_run_once_leaves_nothing_behind() -> None:
    marker = {"marker": uuid.uuid4().hex}
    result = Sandbox.run_once("sh", ["-c", "echo $WORD; exit 4"], envs={"WORD": "once"}, metadata=marker)
    assert (result.exit_code, result.stdout) == (4, "once\n")
    assert list(Sandbox.list(query=SandboxQuery(metadata=marker))) == []


def test_sandboxes_do_not_see_each_other() -> None:
    with Sandbox.create() as one, Sandbox.create() as two:
        one.commands.run("echo mine > /tmp/secret; echo mine > /workspace/secret", shell=True)
        result = two.commands.run("cat /tmp/secret /workspace/secret", shell=True)
        assert result.exit_code != 0 and "mine" not in result.stdout
        sleeper = one.commands.run("sleep 600", shell=True, background=True)
        assert sleeper.pid not in [entry.pid for entry in two.commands.list() if entry.running]


def test_health_and_preflight(server: LocalServer) -> None:
    health = httpx.get(f"{server.url}/healthz", headers={"Origin": "https://app.example"})
    assert health.status_code == 200
    assert health.headers["access-control-allow-origin"]
    preflight = httpx.options(
        f"{server.url}/v1/sandboxes",
        headers={
            "Origin": "https://app.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        },
    )
    assert preflight.status_code == 200
    assert "POST" in preflight.headers["access-control-allow-methods"]
