"""Terminals: a real shell, its size, its end, its viewers."""

from __future__ import annotations

import threading

import pytest
from nullspace import NotFoundError, PtyResult, Sandbox, SandboxError
from nullspace.pty import PtySession


def finish(session: PtySession, timeout: int = 60) -> tuple[PtyResult, str]:
    output: list[bytes] = []
    result = session.wait(on_data=output.append, timeout=timeout)
    return result, b"".join(output).decode()


def test_a_shell_in_a_terminal(sandbox: Sandbox) -> None:
    session = sandbox.pty.create_session(cols=90, rows=25, cwd="/tmp", envs={"MARK": "m1"})
    assert session.is_connected and session.session_id and session.pid > 0
    # What the shell computes is not what was typed: the echo alone would not do.
    session.send_input('stty size; pwd; echo "$MARK-$GREETING-$TERM"; test -t 0 && echo is-a-$((1))-tty\nexit 7\n')
    result, output = finish(session)
    assert (result.exit_code, result.error, result.timed_out) == (7, None, False)
    assert session.exit_code == 7 and not session.is_connected
    for expected in ("25 90", "\n/tmp\r\n", "m1-hello-xterm-256color", "is-a-1-tty"):
        assert expected in output
    # The end is remembered.
    assert session.wait().exit_code == 7


def test_input_as_bytes_and_as_text(sandbox: Sandbox) -> None:
    session = sandbox.pty.create_session()
    session.send_input("printf '%s' 'h\u00e9' | od -An -tx1\n")
    session.send_input(b"printf '\\342\\202\\254' | od -An -tx1\nexit\n")
    result, output = finish(session)
    assert result.exit_code == 0
    assert "68 c3 a9" in output and "e2 82 ac" in output


def test_output_is_bytes(sandbox: Sandbox) -> None:
    session = sandbox.pty.create_session()
    session.send_input("stty -opost; printf '<\\377\\376\\0>'; exit\n")
    output: list[bytes] = []
    session.wait(on_data=output.append, timeout=60)
    assert b"<\xff\xfe\0>" in b"".join(output)


def read_until(session: PtySession, expected: bytes) -> bytes:
    seen = b""
    for chunk in session:
        seen += chunk
        if expected in seen:
            return seen
    raise AssertionError(f"the session ended without {expected!r}: {seen!r}")


def test_control_characters_reach_the_foreground(sandbox: Sandbox) -> None:
    session = sandbox.pty.create_session()
    # The program says itself that it runs: before that the shell would get the signal.
    session.send_input("sh -c 'echo rea$((0))dy; exec sleep 600'\n")
    read_until(session, b"rea0dy")
    session.send_input("\x03")
    session.send_input("echo status-$?; exit 5\n")
    result, output = finish(session)
    assert result.exit_code == 5 and "status-130" in output


def test_resize_from_the_session_and_from_outside(sandbox: Sandbox) -> None:
    session = sandbox.pty.create_session()
    assert (session.resize(132, 50).cols, session.resize(132, 50).rows) == (132, 50)
    session.send_input("echo a:$(stty size)\n")
    read_until(session, b"a:50 132")
    sandbox.pty.resize_session(session.session_id, 77, 33)
    info = sandbox.pty.get_session_info(session.session_id)
    assert (info.cols, info.rows, info.pid) == (77, 33, session.pid)
    session.send_input("echo b:$(stty size)\nexit\n")
    _, output = finish(session)
    assert "b:33 77" in output


def test_a_window_change_is_signalled(sandbox: Sandbox) -> None:
    session = sandbox.pty.create_session()
    session.send_input(
        "sh -c 'trap \"echo win$((0))ch; exit 4\" WINCH; echo rea$((0))dy; while :; do sleep 0.05; done'; exit $?\n"
    )
    read_until(session, b"rea0dy")
    session.resize(60, 20)
    result, output = finish(session)
    assert result.exit_code == 4 and "win0ch" in output


def test_wait_times_out_as_a_value_and_the_session_lives_on(sandbox: Sandbox) -> None:
    session = sandbox.pty.create_session()
    session.send_input("KEPT=1\n")
    result = session.wait(timeout=1)
    assert (result.exit_code, result.timed_out, result.error) == (124, True, "PTY wait timed out")
    again = sandbox.pty.connect(session_id=session.session_id)
    again.send_input("echo kept-$KEPT; exit 6\n")
    result, output = finish(again)
    assert result.exit_code == 6 and "kept-1" in output


def test_several_viewers_of_one_session(sandbox: Sandbox) -> None:
    session = sandbox.pty.create_session()
    by_id = sandbox.pty.connect(session_id=session.session_id)
    by_pid = sandbox.pty.connect(session.pid)
    assert by_pid.session_id == session.session_id
    by_id.send_input("echo to-$((40 + 2))-all\n")
    # Two connections have no common order: the one must be through before the other begins.
    seen = read_until(by_id, b"to-42-all")
    by_pid.send_input("exit 8\n")
    outputs = {}
    for viewer in (session, by_id, by_pid):
        result, outputs[viewer] = finish(viewer)
        assert result.exit_code == 8
    outputs[by_id] = seen.decode() + outputs[by_id]
    assert all("to-42-all" in output for output in outputs.values())


def test_connect_delivers_in_the_background(sandbox: Sandbox) -> None:
    session = sandbox.pty.create_session()
    output: list[bytes] = []
    complete = threading.Event()

    def take(data: bytes) -> None:
        output.append(data)
        if b"back-42" in b"".join(output):
            complete.set()

    sandbox.pty.connect(session_id=session.session_id, on_data=take)
    session.send_input("echo back-$((40 + 2))\n")
    assert complete.wait(60)
    session.kill()
    finish(session)


def test_sessions_are_listed_and_killed(sandbox: Sandbox) -> None:
    session = sandbox.pty.create_session(cols=70, rows=21)
    listed = {info.session_id: info for info in sandbox.pty.list_sessions()}
    assert (listed[session.session_id].cols, listed[session.session_id].rows) == (70, 21)
    session.kill()
    assert finish(session)[0].exit_code == 137

    other = sandbox.pty.create_session()
    sandbox.pty.kill_session(other.session_id)
    assert finish(other)[0].exit_code == 137
    with pytest.raises(SandboxError) as caught:
        sandbox.pty.connect(session_id=other.session_id)
    assert caught.value.code == "not_found"
    for call in (
        lambda: sandbox.pty.get_session_info("ses_none"),
        lambda: sandbox.pty.kill_session("ses_none"),
        lambda: sandbox.pty.resize_session("ses_none", 80, 24),
    ):
        with pytest.raises(NotFoundError):
            call()


def test_much_output_is_complete(sandbox: Sandbox) -> None:
    session = sandbox.pty.create_session()
    session.send_input("stty -echo -opost; seq 1 100000; exit 0\n")
    result, output = finish(session)
    assert result.exit_code == 0
    assert "\n".join(str(number) for number in range(1, 100_001)) in output


def test_a_session_in_a_directory_that_is_not_there(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError):
        sandbox.pty.create_session(cwd="/no/such/directory")


def test_a_terminal_too_large_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError) as caught:
        sandbox.pty.create_session(cols=70_000)
    assert caught.value.code == "invalid_request"


def test_killing_the_sandbox_ends_its_terminals() -> None:
    sandbox = Sandbox.create()
    session = sandbox.pty.create_session()
    Sandbox.kill_by_id(sandbox.id)
    try:
        ended = session.wait(timeout=60)
        assert not ended.timed_out
    except SandboxError as error:
        assert error.code == "transport_error"
