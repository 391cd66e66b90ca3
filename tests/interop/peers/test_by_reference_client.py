"""The reference client drives the service that the SDK is tested with.

It vouches that the service speaks the protocol when it behaves, and that its misbehaviour is a trap: the reference client
falls into each of these, which the tests of the SDK must not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nullspace import (
    AsyncSandbox,
    AuthError,
    Monitor,
    NotFoundError,
    QuotaExceededError,
    RateLimitError,
    Sandbox,
    SandboxError,
)
from nullspace.client import NullspaceClient
from websockets.exceptions import ConnectionClosed

Ask = Callable[..., Any]


def test_sandboxes(peer: Ask) -> None:
    sandbox = Sandbox.create(metadata={"a": 1}, timeout=77, cwd="/workspace")
    info = sandbox.get_info()
    assert (info.timeout_ms, info.metadata, info.cwd) == (77_000, {"a": 1}, "/workspace")
    for number in range(4):
        Sandbox.create(metadata={"n": number})
    assert len(list(Sandbox.list(limit=2))) == 5
    assert len(list(Sandbox.list())) == 5
    assert sandbox.get_metrics()[0].cpu_percent == 3.5
    sandbox.set_timeout(10)
    sandbox.kill()
    with pytest.raises(NotFoundError):
        Sandbox.connect(sandbox.id)
    with pytest.raises(AuthError):
        Sandbox.create(api_key="ns_wrong")


def test_commands(peer: Ask) -> None:
    sandbox = Sandbox.create()
    plain = sandbox.commands.run("say hi; warn careful; exit 3")
    assert (plain.exit_code, plain.stdout, plain.stderr) == (3, "hi\n", "careful\n")
    streamed = sandbox.commands.run("say hi; warn careful; exit 3", on_stdout=lambda _: None)
    assert (streamed.exit_code, streamed.stdout, streamed.stderr) == (3, "hi\n", "careful\n")
    cat = sandbox.commands.run("cat", background=True)
    sandbox.commands.send_stdin(cat.pid, "x")
    cat.kill()
    assert cat.wait(poll_interval=0.01).exit_code == 137
    assert sandbox.commands.run("nonsense").exit_code == 127


def test_terminals(peer: Ask) -> None:
    sandbox = Sandbox.create()
    session = sandbox.pty.create_session(cols=90, rows=20)
    viewer = sandbox.pty.connect(session_id=session.session_id)
    session.resize(132, 50)
    session.send_input("size\nexit 7\n")
    for one in (session, viewer):
        output: list[bytes] = []
        assert one.wait(on_data=output.append, timeout=30).exit_code == 7
        assert b"".join(output) == b"size\r\n50 132\r\nexit 7\r\n"
    with pytest.raises(SandboxError) as caught:
        sandbox.pty.connect(session_id="ses_none")
    assert caught.value.code == "not_found"


def test_monitor(peer: Ask) -> None:
    sandbox = Sandbox.create()
    sandbox.commands.run("sleep", background=True)
    seen: dict[str, list[Any]] = {"snapshot": [], "metrics": [], "processes": []}
    subscription = Monitor().subscribe(
        interval_ms=500,
        include_processes=True,
        on_snapshot=seen["snapshot"].append,
        on_metrics=seen["metrics"].append,
        on_processes=seen["processes"].append,
    )
    # Nothing more can come once the reader has gone.
    peer(ask="await", event="message", channel="monitor", count=1, timeout=30)
    while not all(seen.values()):
        assert subscription._thread is not None
        subscription._thread.join(0.01)
    subscription.stop()
    assert seen["snapshot"][0].sandboxes[0].id == sandbox.id


def test_error_bodies(peer: Ask) -> None:
    sandbox = Sandbox.create()

    def play(*faults: str) -> None:
        peer(ask="script", what="rest", play=faults, repeat=False)

    play("flat-error")
    with pytest.raises(SandboxError) as flat:
        sandbox.get_info()
    assert (flat.value.code, flat.value.request_id) == ("sandbox_not_ready", "req_51aa")
    play("nested-error")
    with pytest.raises(SandboxError) as nested:
        sandbox.get_info()
    assert (nested.value.code, nested.value.retryable) == ("exec_failed", False)
    play("capacity")
    with pytest.raises(QuotaExceededError):
        sandbox.get_info()
    play("rate-limit-now", "rate-limit-now", "rate-limit-now")
    assert sandbox.get_info().id == sandbox.id
    play(*["rate-limit-now"] * 4)
    with pytest.raises(RateLimitError):
        sandbox.get_info()
    play("transition", "good")
    assert Sandbox.create().id == "sb_2"


def test_the_traps_are_traps(peer: Ask) -> None:
    sandbox = Sandbox.create()

    async def cut() -> Any:
        client = await AsyncSandbox.connect(sandbox.id)
        return await client.commands.run_streaming("play cut-clean")

    result = asyncio.run(cut())
    assert (result.exit_code, result.stdout) == (0, "half of the outp")

    with pytest.raises(ConnectionClosed):
        sandbox.commands.run_streaming("play frame 1153434")

    async def stall() -> None:
        client = await AsyncSandbox.connect(sandbox.id)
        await asyncio.wait_for(client.commands.run_streaming("play stall", timeout=1), 2)

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(stall())

    peer(ask="script", what="monitor", play=["close-1011"], repeat=False)
    errors: list[Any] = []
    subscription = Monitor().subscribe(on_error=errors.append)
    assert subscription._thread is not None
    subscription._thread.join(30)
    assert not subscription._thread.is_alive() and errors == []
    assert len(peer(ask="events", event="request", path="/v1/monitor/ws")) == 1


def test_a_dotenv_leads_the_reference_client_away(
    peer: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    elsewhere = NullspaceClient().base_url.replace("127.0.0.1", "0.0.0.0")
    monkeypatch.delenv("NULLSPACE_API_URL")
    (tmp_path / ".env").write_text(f"NULLSPACE_API_URL={elsewhere}\n")
    # The key is the one of the environment; the service got it over an address that a directory chose.
    Sandbox.create()
    [request] = peer(ask="events", event="request", method="POST")
    assert request["headers"]["authorization"].startswith("Bearer ns_")
    assert request["headers"]["host"].startswith("0.0.0.0:")
