"""Terminals, asynchronously."""

from __future__ import annotations

import asyncio

import pytest
from nullspace import AsyncSandbox, NotFoundError, PtyResult, SandboxError
from nullspace.pty import AsyncPtySession


async def finish(session: AsyncPtySession) -> tuple[PtyResult, str]:
    output: list[bytes] = []
    result = await session.wait(on_data=output.append, timeout=60)
    return result, b"".join(output).decode()


async def test_a_shell_in_a_terminal(sandbox: AsyncSandbox) -> None:
    session = await sandbox.pty.create_session(cols=90, rows=25, cwd="/tmp", envs={"MARK": "m1"})
    await session.send_input('stty size; pwd; echo "$MARK-$GREETING"\n')
    await session.send_input(b"exit 7\n")
    result, output = await finish(session)
    assert (result.exit_code, result.error, result.timed_out) == (7, None, False)
    for expected in ("25 90", "\n/tmp\r\n", "m1-hello"):
        assert expected in output


async def test_resize_list_and_kill(sandbox: AsyncSandbox) -> None:
    session = await sandbox.pty.create_session()
    await session.resize(132, 50)
    await session.send_input("echo a:$(stty size)\n")
    seen = b""
    async for chunk in session:
        seen += chunk
        if b"a:50 132" in seen:
            break
    await sandbox.pty.resize_session(session.session_id, 77, 33)
    listed = {info.session_id: info for info in await sandbox.pty.list_sessions()}
    assert (listed[session.session_id].cols, listed[session.session_id].rows) == (77, 33)
    assert (await sandbox.pty.get_session_info(session.session_id)).pid == session.pid
    await session.kill()
    assert (await finish(session))[0].exit_code == 137
    with pytest.raises(NotFoundError):
        await sandbox.pty.kill_session("ses_none")


async def test_wait_times_out_as_a_value_and_the_session_lives_on(sandbox: AsyncSandbox) -> None:
    session = await sandbox.pty.create_session()
    await session.send_input("KEPT=1\n")
    result = await session.wait(timeout=1)
    assert (result.exit_code, result.timed_out) == (124, True)
    again = await sandbox.pty.connect(session_id=session.session_id)
    await again.send_input("echo kept-$KEPT; exit 6\n")
    result, output = await finish(again)
    assert result.exit_code == 6 and "kept-1" in output


async def test_several_viewers(sandbox: AsyncSandbox) -> None:
    session = await sandbox.pty.create_session()
    by_id = await sandbox.pty.connect(session_id=session.session_id)
    by_pid = await sandbox.pty.connect(session.pid)
    await by_pid.send_input("echo to-$((40 + 2))-all; exit 8\n")
    for result, output in await asyncio.gather(finish(session), finish(by_id), finish(by_pid)):
        assert result.exit_code == 8 and "to-42-all" in output


async def test_many_terminals_at_once(sandbox: AsyncSandbox) -> None:
    async def use(number: int) -> None:
        session = await sandbox.pty.create_session()
        await session.send_input(f"echo n-$(({number} + 0)); exit {number}\n")
        result, output = await finish(session)
        assert result.exit_code == number and f"n-{number}" in output

    await asyncio.gather(*(use(number) for number in range(20)))


async def test_a_session_that_is_not_there(sandbox: AsyncSandbox) -> None:
    with pytest.raises(SandboxError) as caught:
        await sandbox.pty.connect(session_id="ses_none")
    assert caught.value.code == "not_found"
    with pytest.raises(SandboxError):
        await sandbox.pty.create_session(cwd="/no/such/directory")
