"""Creating, finding, listing, extending and ending sandboxes, asynchronously."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable

import pytest
from nullspace import (
    AsyncSandbox,
    AuthError,
    NotFoundError,
    SandboxError,
    SandboxQuery,
    SandboxStatus,
    SandboxTimeoutAction,
)


async def test_create_keeps_every_option() -> None:
    metadata = {"owner": "ci", "run": 7, "deep": {"list": [1, None, True]}}
    async with await AsyncSandbox.create(
        vcpus=1,
        memory_mb=256,
        timeout=900,
        envs={"MODE": "ci"},
        metadata=metadata,
        cwd="/workspace",
        timeout_action="hibernate",
    ) as sandbox:
        info = await sandbox.get_info()
        assert info.status is SandboxStatus.RUNNING and await sandbox.is_running()
        assert (info.config.vcpus, info.config.memory_mb) == (1, 256)
        assert (info.timeout_ms, info.cwd, info.metadata) == (900_000, "/workspace", metadata)
        assert info.timeout_action is SandboxTimeoutAction.HIBERNATE
        assert (await sandbox.commands.run("printenv", ["MODE"])).stdout == "ci\n"
        assert await sandbox.get_info(fields=["id"]) == {"id": sandbox.id}


async def test_many_creates_at_once() -> None:
    sandboxes = await asyncio.gather(*(AsyncSandbox.create() for _ in range(8)))
    assert len({sandbox.id for sandbox in sandboxes}) == 8
    results = await asyncio.gather(
        *(sandbox.commands.run("hostname; echo ok", shell=True) for sandbox in sandboxes)
    )
    assert all(result.stdout.endswith("ok\n") for result in results)
    await asyncio.gather(*(sandbox.kill() for sandbox in sandboxes))


async def test_the_same_create_at_once_makes_one_sandbox() -> None:
    key = str(uuid.uuid4())
    created = await asyncio.gather(
        *(AsyncSandbox.create(idempotency_key=key) for _ in range(4))
    )
    assert len({sandbox.id for sandbox in created}) == 1
    await created[0].kill()


async def test_connect_and_timeouts() -> None:
    async with await AsyncSandbox.create() as sandbox:
        again = await AsyncSandbox.connect(sandbox.id, timeout=1234)
        assert (await again.get_info()).timeout_ms == 1_234_000
        await again.set_timeout(60, timeout_action="hibernate")
        info = await AsyncSandbox.get_info_by_id(sandbox.id)
        assert (info.timeout_ms, info.timeout_action) == (60_000, SandboxTimeoutAction.HIBERNATE)
        await again.set_timeout(60, timeout_action="destroy")


async def test_list_pages_and_filters() -> None:
    marker = uuid.uuid4().hex
    sandboxes = [await AsyncSandbox.create(metadata={"marker": marker}) for _ in range(5)]
    query = SandboxQuery(metadata={"marker": marker}, state=[SandboxStatus.RUNNING])
    page = await AsyncSandbox.list(query=query, limit=2)
    assert len(page.items) == 2 and page.has_next
    found = [info.id async for info in page]
    assert sorted(found) == sorted(sandbox.id for sandbox in sandboxes)
    compact = await AsyncSandbox.list(query=query, fields=["id"])
    assert sorted(item["id"] for item in compact) == sorted(found)
    everything = [info.id async for info in await AsyncSandbox.list()]
    assert set(found) <= set(everything)
    for sandbox in sandboxes:
        await sandbox.kill()
    assert [info async for info in await AsyncSandbox.list(query=query)] == []


async def test_expiry_and_kill(
    becomes_true: Callable[[Callable[[], Awaitable[object]]], Awaitable[None]],
) -> None:
    short = await AsyncSandbox.create(timeout=1)

    async def gone() -> bool:
        try:
            await short.get_info()
        except NotFoundError:
            return True
        return False

    await becomes_true(gone)
    sandbox = await AsyncSandbox.create()
    await AsyncSandbox.kill_by_id(sandbox.id)
    with pytest.raises(NotFoundError) as caught:
        await sandbox.get_info()
    assert caught.value.code == "sandbox_not_found"


async def test_metrics(
    sandbox: AsyncSandbox,
    becomes_true: Callable[[Callable[[], Awaitable[object]]], Awaitable[None]],
) -> None:
    await becomes_true(sandbox.get_metrics)
    sample = (await AsyncSandbox.get_metrics_by_id(sandbox.id))[-1]
    assert sample.cpu_percent >= 0
    assert sample.mem_used_bytes <= sample.mem_total_bytes


async def test_run_once() -> None:
    result = await AsyncSandbox.run_once("sh", ["-c", "echo $WORD; exit 4"], envs={"WORD": "once"})
    assert (result.exit_code, result.stdout) == (4, "once\n")


async def test_errors(sandbox: AsyncSandbox) -> None:
    with pytest.raises(SandboxError) as missing:
        await AsyncSandbox.create(api_key="")
    assert missing.value.code == "missing_api_key"
    with pytest.raises(AuthError) as wrong:
        await AsyncSandbox.create(api_key="ns_wrong")
    assert wrong.value.code == "unauthorized"
    with pytest.raises(NotFoundError):
        await AsyncSandbox.connect("sb_nobody")
    for arguments in ({"shell": True, "args": ["x"]}, {"cwd": "/no/such/directory"}, {"timeout": 0}):
        with pytest.raises(SandboxError) as refused:
            await sandbox.commands.run("true", **arguments)
        assert refused.value.code == "invalid_request"
    with pytest.raises(SandboxError) as template:
        await AsyncSandbox.create(template="no-such-template")
    assert template.value.code == "template_not_found"
