"""Commands, asynchronously: many at once on one loop."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable

import pytest
from nullspace import AsyncSandbox, NotFoundError, SandboxError

BecomesTrue = Callable[[Callable[[], Awaitable[object]]], Awaitable[None]]


async def test_foreground(sandbox: AsyncSandbox) -> None:
    result = await sandbox.commands.run(
        'echo "$GREETING $(pwd)"; echo err >&2; exit 3', shell=True, cwd="/tmp"
    )
    assert (result.exit_code, result.stdout, result.stderr) == (3, "hello /tmp\n", "err\n")
    assert (await sandbox.commands.run("no-such-program")).exit_code == 127


async def test_streaming(sandbox: AsyncSandbox) -> None:
    out: list[str] = []
    err: list[str] = []
    result = await sandbox.commands.run(
        "echo one; sleep 0.1; echo two >&2; sleep 0.1; echo three; exit 9",
        shell=True,
        on_stdout=out.append,
        on_stderr=err.append,
    )
    assert (result.exit_code, result.stdout, result.stderr) == (9, "one\nthree\n", "two\n")
    assert ("".join(out), "".join(err)) == ("one\nthree\n", "two\n")


async def test_many_streams_at_once(sandbox: AsyncSandbox) -> None:
    async def run(number: int) -> None:
        command = f"seq {number} {number + 2000}; exit {number}"
        result = await sandbox.commands.run_streaming(command, shell=True)
        assert result.exit_code == number
        assert result.stdout == "".join(f"{n}\n" for n in range(number, number + 2001))

    await asyncio.gather(*(run(number) for number in range(20)))


async def test_much_output_is_complete_and_in_order(sandbox: AsyncSandbox) -> None:
    digest = hashlib.sha256()
    await sandbox.commands.run(
        "head -c 3000000 /dev/urandom | base64 > /tmp/big; cat /tmp/big",
        shell=True,
        on_stdout=lambda text: digest.update(text.encode()),
    )
    expected = (await sandbox.commands.run("sha256sum /tmp/big", shell=True)).stdout.split()[0]
    assert digest.hexdigest() == expected


async def test_background(sandbox: AsyncSandbox) -> None:
    command = await sandbox.commands.run(
        "read line; echo \"got $line\"; exit 6", shell=True, background=True
    )
    assert any(entry.pid == command.pid for entry in await sandbox.commands.list())
    await sandbox.commands.send_stdin(command.pid, "text\n")
    result = await command.wait(poll_interval=0.02)
    assert (result.exit_code, result.stdout) == (6, "got text\n")
    logs = await command.get_logs()
    assert (logs.output, logs.exit_code) == ("got text\n", 6)

    chunks = [chunk async for chunk in await sandbox.commands.run("echo x", shell=True, background=True)]
    assert [out for out, _, _ in chunks] == ["x\n"]


async def test_live_background_and_connect(sandbox: AsyncSandbox) -> None:
    ready = asyncio.Event()
    first = await sandbox.commands.run(
        "echo early; read line; echo late; exit 2",
        shell=True,
        background=True,
        on_stdout=lambda _: ready.set(),
    )
    await asyncio.wait_for(ready.wait(), 60)
    later: list[str] = []
    second = await sandbox.commands.connect(first.pid, on_stdout=later.append)
    await sandbox.commands.send_stdin(first.pid, "go\n")
    for command in (first, second):
        result = await command.wait(poll_interval=0.02)
        assert (result.exit_code, result.stdout) == (2, "early\nlate\n")
    assert "".join(later) == "late\n"


async def test_kill_and_time_outs(sandbox: AsyncSandbox) -> None:
    command = await sandbox.commands.run(
        "sleep 600", shell=True, background=True, on_stdout=lambda _: None
    )
    with pytest.raises(TimeoutError):
        await command.wait(poll_interval=0.02, timeout=0.2)
    await command.kill()
    assert (await command.wait(poll_interval=0.02)).exit_code == 137
    with pytest.raises(SandboxError) as caught:
        await sandbox.commands.run("sleep 600", shell=True, timeout=1)
    assert caught.value.code == "exec_timeout"
    with pytest.raises(RuntimeError):
        await sandbox.commands.connect(command.pid)
    with pytest.raises(NotFoundError):
        await sandbox.commands.get_logs(999_999)


async def test_code_run(sandbox: AsyncSandbox) -> None:
    assert (await sandbox.process.code_run("print(6 * 7)")).stdout == "42\n"
    assert (await sandbox.process.code_run("exit 3", language="sh")).exit_code == 3
