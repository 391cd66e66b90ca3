"""Commands: run and wait, stream, leave in the background, feed, kill, come back to."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable

import pytest
from nullspace import NotFoundError, Sandbox, SandboxError


def test_output_and_exit_code(sandbox: Sandbox) -> None:
    result = sandbox.commands.run("echo out; echo err >&2; exit 3", shell=True)
    assert (result.exit_code, result.stdout, result.stderr) == (3, "out\n", "err\n")
    assert result.pid


def test_arguments_are_passed_exactly(sandbox: Sandbox) -> None:
    words = ["%s|", "a b", "$HOME", "*", "", "'quoted\"", "\u00fcml\u00e4ut \u20ac \U0001f600", "two\nlines"]
    result = sandbox.commands.run("printf", words)
    assert result.stdout == "".join(word + "|" for word in words[1:])


def test_directory_and_environment(sandbox: Sandbox) -> None:
    result = sandbox.commands.run(
        'echo "$GREETING $MORE $(pwd)"', shell=True, cwd="/tmp", envs={"MORE": "there"}
    )
    assert result.stdout == "hello there /tmp\n"
    override = sandbox.commands.run("printenv", ["GREETING"], envs={"GREETING": "bye"})
    assert override.stdout == "bye\n"
    assert sandbox.commands.run("printenv", ["GREETING"]).stdout == "hello\n"


def test_programs_that_cannot_run_are_results(sandbox: Sandbox) -> None:
    assert sandbox.commands.run("no-such-program").exit_code == 127
    sandbox.commands.run("echo x > /workspace/plain; chmod 644 /workspace/plain", shell=True)
    assert sandbox.commands.run("/workspace/plain").exit_code == 126
    assert sandbox.commands.run("kill -TERM $$", shell=True).exit_code == 128 + 15


def test_a_command_that_takes_too_long_is_killed(sandbox: Sandbox) -> None:
    start = time.monotonic()
    with pytest.raises(SandboxError) as caught:
        sandbox.commands.run("sleep 600", shell=True, timeout=1)
    assert caught.value.code == "exec_timeout"
    assert time.monotonic() - start < 30
    with pytest.raises(RuntimeError, match="1"):
        sandbox.commands.run("sleep 600", shell=True, timeout=1, on_stdout=lambda _: None)


def test_large_output_is_complete(sandbox: Sandbox) -> None:
    size = 4 << 20
    result = sandbox.commands.run(f"head -c {size} /dev/zero | tr '\\0' x", shell=True)
    assert len(result.stdout) == size and result.stdout.strip("x") == ""


def test_streamed_output_arrives_while_the_command_runs(sandbox: Sandbox) -> None:
    chunks: list[tuple[float, str]] = []
    result = sandbox.commands.run(
        "echo first; sleep 0.5; echo second; echo third >&2; exit 9",
        shell=True,
        on_stdout=lambda text: chunks.append((time.monotonic(), text)),
    )
    assert result.exit_code == 9
    assert result.stdout == "first\nsecond\n" == "".join(text for _, text in chunks)
    assert result.stderr == "third\n"
    assert chunks[-1][0] - chunks[0][0] > 0.3


def test_much_streamed_output_is_complete_and_in_order(sandbox: Sandbox) -> None:
    # Random bytes as text: an order that a mistake would show.
    command = "head -c 3000000 /dev/urandom | base64 > /tmp/big; cat /tmp/big"
    digest = hashlib.sha256()
    sizes: list[int] = []

    def take(text: str) -> None:
        digest.update(text.encode())
        sizes.append(len(text.encode()))

    result = sandbox.commands.run(command, shell=True, on_stdout=take)
    assert result.exit_code == 0
    expected = sandbox.commands.run("sha256sum /tmp/big", shell=True).stdout.split()[0]
    assert digest.hexdigest() == expected
    # A client with the usual limit of 1 MiB must be able to take every message.
    assert max(sizes) <= 1 << 20


def test_characters_are_never_split(sandbox: Sandbox) -> None:
    sandbox.commands.run(
        "printf '\\360\\237\\230\\200\\342\\202\\254\\303\\251%.0s' $(seq 60000) > /tmp/unicode", shell=True
    )
    parts: list[str] = []
    sandbox.commands.run("cat /tmp/unicode", shell=True, on_stdout=parts.append)
    assert "".join(parts) == "\U0001f600\u20ac\u00e9" * 60000
    assert "\ufffd" not in "".join(parts)
    slow = "printf '\\342'; sleep 0.2; printf '\\202'; sleep 0.2; printf '\\254!'"
    assert sandbox.commands.run(slow, shell=True, on_stdout=parts.append).stdout == "\u20ac!"


def test_bytes_that_are_no_text_are_replaced(sandbox: Sandbox) -> None:
    result = sandbox.commands.run("printf 'a\\377b'", shell=True)
    assert result.stdout == "a\ufffdb"


def test_background_command_is_listed_and_waited_for(sandbox: Sandbox) -> None:
    command = sandbox.commands.run("sleep 0.3; echo done; exit 6", shell=True, background=True)
    assert any(entry.pid == command.pid and entry.running for entry in sandbox.commands.list())
    result = command.wait(poll_interval=0.02)
    assert (result.exit_code, result.stdout, result.pid) == (6, "done\n", command.pid)
    logs = sandbox.commands.get_logs(command.pid)
    assert (logs.stdout, logs.stderr, logs.output, logs.exit_code) == ("done\n", "", "done\n", 6)


def test_background_output_is_iterated(sandbox: Sandbox) -> None:
    command = sandbox.commands.run("echo a; echo b >&2; sleep 0.4; echo c", shell=True, background=True)
    out, err = "", ""
    for new_out, new_err, _ in command:
        out += new_out or ""
        err += new_err or ""
    assert (out, err) == ("a\nc\n", "b\n")


def test_logs_hold_both_streams_interleaved(sandbox: Sandbox) -> None:
    script = "echo 1; sleep 0.1; echo 2 >&2; sleep 0.1; echo 3"
    command = sandbox.commands.run(script, shell=True, background=True)
    command.wait(poll_interval=0.02)
    assert command.get_logs().output == "1\n2\n3\n"


def test_stdin_reaches_the_command(
    sandbox: Sandbox, eventually: Callable[[Callable[[], object]], None]
) -> None:
    command = sandbox.commands.run("read line; echo \"got $line\"", shell=True, background=True)
    sandbox.commands.send_stdin(command.pid, "some \u20ac text\n")
    result = command.wait(poll_interval=0.02)
    assert (result.exit_code, result.stdout) == (0, "got some \u20ac text\n")

    cat = sandbox.commands.run("cat", background=True)
    for number in range(20):
        sandbox.commands.send_stdin(cat.pid, f"{number}\n")
    expected = "".join(f"{number}\n" for number in range(20))
    eventually(lambda: cat.get_logs().stdout == expected)
    cat.kill()
    assert cat.wait(poll_interval=0.02).exit_code == 137


def test_kill_takes_the_whole_group(
    sandbox: Sandbox, eventually: Callable[[Callable[[], object]], None]
) -> None:
    command = sandbox.commands.run("sleep 4711 & sleep 4712; echo never", shell=True, background=True)
    command.kill()
    result = command.wait(poll_interval=0.02)
    assert result.exit_code == 137 and result.stdout == ""
    # A process that was killed may be on its way out for a moment longer than the one that was waited for.
    eventually(lambda: not any("471" in entry.command for entry in sandbox.commands.list() if entry.running))


def test_live_background_command(sandbox: Sandbox) -> None:
    out: list[str] = []
    err: list[str] = []
    command = sandbox.commands.run(
        "echo live; echo bad >&2; exit 5",
        shell=True,
        background=True,
        on_stdout=out.append,
        on_stderr=err.append,
    )
    result = command.wait(poll_interval=0.02)
    assert (result.exit_code, result.stdout, result.stderr) == (5, "live\n", "bad\n")
    assert ("".join(out), "".join(err)) == ("live\n", "bad\n")


def test_connect_by_pid_sees_what_comes_and_merges_what_was(sandbox: Sandbox) -> None:
    seen = threading.Event()
    first = sandbox.commands.run(
        "echo early; read line; echo late; exit 2",
        shell=True,
        background=True,
        on_stdout=lambda _: seen.set(),
    )
    assert seen.wait(60)
    later: list[str] = []
    second = sandbox.commands.connect(first.pid, on_stdout=later.append)
    sandbox.commands.send_stdin(first.pid, "go\n")
    result = second.wait(poll_interval=0.02)
    assert (result.exit_code, result.stdout) == (2, "early\nlate\n")
    assert "".join(later) == "late\n"
    assert first.wait(poll_interval=0.02).stdout == "early\nlate\n"


def test_disconnect_leaves_the_command_alone(
    sandbox: Sandbox, eventually: Callable[[Callable[[], object]], None]
) -> None:
    command = sandbox.commands.run(
        "read line; echo \"$line\" > /workspace/after", shell=True, background=True, on_stdout=lambda _: None
    )
    command.disconnect()
    sandbox.commands.send_stdin(command.pid, "still here\n")
    eventually(
        lambda: sandbox.commands.run("cat /workspace/after", shell=True).stdout == "still here\n"
    )


def test_wait_gives_up_in_time_and_the_command_goes_on(sandbox: Sandbox) -> None:
    command = sandbox.commands.run("sleep 600", shell=True, background=True)
    with pytest.raises(TimeoutError):
        command.wait(poll_interval=0.02, timeout=0.2)
    assert any(entry.pid == command.pid and entry.running for entry in sandbox.commands.list())
    command.kill()


def test_attaching_to_what_is_over_is_an_error(sandbox: Sandbox) -> None:
    command = sandbox.commands.run("true", background=True)
    command.wait(poll_interval=0.02)
    with pytest.raises(RuntimeError):
        sandbox.commands.connect(command.pid)
    for call in (
        lambda: sandbox.commands.get_logs(999_999),
        lambda: sandbox.commands.send_stdin(999_999, "x"),
    ):
        with pytest.raises(NotFoundError):
            call()


@pytest.mark.parametrize(
    ("language", "code", "output"),
    [
        ("python", "print(6 * 7)", "42\n"),
        ("bash", "echo ${BASH_VERSION:+bash}", "bash\n"),
        ("sh", "echo sh", "sh\n"),
    ],
)
def test_code_run(sandbox: Sandbox, language: str, code: str, output: str) -> None:
    result = sandbox.process.code_run(code, language=language)
    assert (result.exit_code, result.stdout) == (0, output)


def test_code_run_in_an_unknown_language(sandbox: Sandbox) -> None:
    assert sandbox.process.code_run("x", language="klingon").exit_code == 127


def test_many_commands_at_once(sandbox: Sandbox) -> None:
    results: dict[int, str] = {}

    def run(number: int) -> None:
        results[number] = sandbox.commands.run(
            f"sleep 0.2; echo {number}", shell=True, on_stdout=lambda _: None
        ).stdout

    threads = [threading.Thread(target=run, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: f"{number}\n" for number in range(10)}
