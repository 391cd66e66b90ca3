"""Runs one example against a local server of its own and checks what it prints.

usage: run_example.py <nullspace-local> <example program> <case>
"""

import dataclasses
import json
import os
import pty
import re
import select
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable

SECONDS = 60

# What a terminal is told and nobody sees.
CONTROL = re.compile(r"\x1b\[[?0-9;]*[A-Za-z]|\r")


@dataclasses.dataclass
class Case:
    arguments: tuple[str, ...] = ()
    typed: str = ""
    terminal: bool = False
    # A sandbox that is there before the example starts.
    sandbox: bool = False
    exit_code: int = 0
    # Regular expressions that must be found in standard output, in this order.
    shows: tuple[str, ...] = ()
    # The program runs until it is interrupted, once it has shown everything. What is done to it after the first line that
    # it shows gets the environment and that line.
    act: Callable[[dict[str, str], str], None] | None = None


CASES = {
    "stream_command": Case(shows=(r"^line 1$", r"^line 2$", r"^line 3$", r"^Linux$")),
    "stream_command_fails": Case(arguments=("echo out; exit 5",), exit_code=5, shows=(r"^out$",)),
    "pty": Case(typed="echo $((6 * 7))\nstty size\nexit 9\n", exit_code=9, shows=(r"^42\s*$", r"^30 120\s*$")),
    "pty_interactive": Case(typed="echo $((6 * 7))\nexit 9\n", terminal=True, exit_code=9, shows=(r"^42\s*$",)),
    "monitor": Case(arguments=("2",), sandbox=True, shows=(r"^snapshot +sb_", r"^metrics +sb_")),
    "lifecycle": Case(shows=(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +create +succeeded sb_\S+ api evt_",), act=lambda settings, _: None, sandbox=True),
    "webhook_receiver": Case(
        arguments=("--register",),
        shows=(r"^listening on http://127.0.0.1:\d+/ as wh_", r"^create succeeded sb_\S+ evt_\S+$"),
        act=lambda settings, _: create_sandbox(settings),
    ),
    "webhook_receiver_refuses": Case(
        arguments=("--register",),
        shows=(r"^listening on ", r"^create succeeded sb_\S+ evt_\S+$"),
        act=lambda settings, line: abuse_receiver(settings, line),
    ),
    "errors": Case(
        shows=(
            r"^exit code: 3$",
            r"^found: no$",
            r"^kind: not_found, code: sandbox_not_found, try again: no$",
            r"^refused: ",
            r"^time is up: exec_timeout, deadline: command$",
        )
    ),
}


def start_server(program: str) -> tuple[subprocess.Popen, dict[str, str]]:
    """The server and the environment that points a client at it."""
    server = subprocess.Popen(
        [program, "--port", "0", "--print-env"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    settings: dict[str, str] = {}
    while not {"NULLSPACE_API_URL", "NULLSPACE_API_KEY"} <= settings.keys():
        line = server.stdout.readline()
        if not line:
            raise SystemExit("nullspace-local did not start")
        match = re.match(r"export (NULLSPACE_\w+)=(.*)", line)
        if match:
            settings[match.group(1)] = shlex.split(match.group(2))[0]
    return server, settings


def create_sandbox(settings: dict[str, str]) -> None:
    request = urllib.request.Request(
        settings["NULLSPACE_API_URL"] + "/v1/sandboxes",
        data=json.dumps({"template": "base"}).encode(),
        headers={"Authorization": "Bearer " + settings["NULLSPACE_API_KEY"], "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        answer.read()


def abuse_receiver(settings: dict[str, str], line: str) -> None:
    """What others may send to a receiver, and what it says. It serves the real ones all the same."""
    port = int(re.search(r":(\d+)/", line).group(1))

    def status_of(request: bytes) -> str:
        with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as peer:
            try:
                peer.sendall(request)
                answer = peer.recv(4096)
            except ConnectionError:
                return "reset"
            return answer.decode().partition("\r\n")[0].split(" ")[1] if answer else "closed"

    sleepers = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    for sleeper in sleepers:
        sleeper.sendall(b"POST / HTTP/1.1\r\nContent-Le")
    unsigned = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"
    expected = {
        unsigned: {"401"},
        b"GET / HTTP/1.1\r\n\r\n": {"405"},
        b"POST / HTTP/1.1\r\n\r\n": {"411"},
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n": {"400"},
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}": {"400"},
        b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n": {"400"},
        b"POST / HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n": {"413"},
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": {"501"},
        b"POST / HTTP/1.1\r\nnonsense\r\n\r\n": {"400"},
        b"POST / HTTP/1.1\r\nX: " + b"a" * 100_000: {"431"},
        b"POST / HTTP/1.1\r\nContent-Length: 2000000\r\n\r\n" + b"a" * 2_000_000: {"413"},
    }
    for request, statuses in expected.items():
        status = status_of(request)
        if status not in statuses:
            raise SystemExit(f"{request[:60]!r} was answered with {status}, not {statuses}")
    for sleeper in sleepers:
        sleeper.settimeout(SECONDS)
        if not sleeper.recv(4096).startswith(b"HTTP/1.1 408"):
            raise SystemExit("a sender that stopped in the middle was not told so")
        sleeper.close()
    # More than there is room for: the oldest has to go.
    idlers = [socket.create_connection(("127.0.0.1", port), timeout=SECONDS) for _ in range(100)]
    try:
        if idlers[0].recv(4096):
            raise SystemExit("a connection that only held a place was answered")
    except ConnectionError:
        pass
    create_sandbox(settings)
    for idler in idlers:
        idler.close()


def run_until_shown(command: list[str], environment: dict[str, str], case: Case, settings: dict[str, str]) -> tuple[int, str]:
    """Runs the program until it has shown what it is meant to show, and interrupts it then."""
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as running:
        deadline = time.monotonic() + SECONDS
        output = ""
        acted = False
        while shortcomings(case, output) and time.monotonic() < deadline:
            readable, _, _ = select.select([running.stdout], [], [], 0.1)
            if not readable:
                continue
            piece = os.read(running.stdout.fileno(), 65536)
            if not piece:
                break
            output += piece.decode()
            if not acted and "\n" in output:
                acted = True
                case.act(settings, output)
        running.send_signal(signal.SIGINT)
        rest, _ = running.communicate(timeout=SECONDS)
        return running.returncode, output + rest.decode()


def run_on_terminal(command: list[str], environment: dict[str, str], typed: str) -> tuple[int, str]:
    """Runs the program with a pseudo-terminal for standard input and output, typing once it has shown a prompt."""
    child, terminal = pty.fork()
    if child == 0:
        os.execve(command[0], command, environment)
    output = b""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        readable, _, _ = select.select([terminal], [], [], 0.1)
        if not readable:
            continue
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            break
        if not piece:
            break
        output += piece
        if typed and re.search(rb"[$#] ?(\x1b\S*)?$", output):
            os.write(terminal, typed.encode())
            typed = ""
    else:
        os.kill(child, 9)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), output.decode(errors="replace")


def problems_with(case: Case, exit_code: int, output: str) -> list[str]:
    problems = shortcomings(case, output)
    if exit_code != case.exit_code:
        problems.append(f"exit code {exit_code}, not {case.exit_code}")
    return problems


def shortcomings(case: Case, output: str) -> list[str]:
    """What is not in the output, but should be."""
    problems = []
    position = 0
    for pattern in case.shows:
        match = re.compile(pattern, re.MULTILINE).search(output, position)
        if match is None:
            problems.append(f"nothing in the output (any more) looks like {pattern}")
        else:
            position = match.end()
    return problems


def main() -> int:
    server_program, example, name = sys.argv[1:]
    case = CASES[name]
    server, settings = start_server(server_program)
    try:
        if case.sandbox:
            create_sandbox(settings)
        environment = {**os.environ, **settings}
        command = [example, *case.arguments]
        if case.act:
            exit_code, output = run_until_shown(command, environment, case, settings)
        elif case.terminal:
            exit_code, output = run_on_terminal(command, environment, case.typed)
        else:
            done = subprocess.run(
                command, env=environment, input=case.typed, stdout=subprocess.PIPE, text=True, timeout=SECONDS, check=False
            )
            exit_code, output = done.returncode, done.stdout
    finally:
        server.terminate()
        server_code = server.wait(SECONDS)

    print(output)
    problems = problems_with(case, exit_code, CONTROL.sub("", output))
    if server_code != 0:
        problems.append(f"the server ended with {server_code}")
    for problem in problems:
        print(f"{name}: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
