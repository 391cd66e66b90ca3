"""A link that really goes down: server and client in two network namespaces, a cable between them, pulled and put back.

usage: link_down.py <nullspace-local> <resilience_link_probe>

Both namespaces are this test's own and go with it; the machine's network is not touched. Exit code 77: the kernel does not allow
it here.
"""

import os
import pathlib
import queue
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time

SKIPPED = 77
SECONDS = 60
PULLS = 3

OURS, THEIRS = "10.217.43.1", "10.217.43.2"
INSIDE = "NULLSPACE_LINK_DOWN_INSIDE"


def skip(why: str) -> None:
    print(f"skipped: {why}")
    sys.exit(SKIPPED)


def enter_namespace() -> None:
    """Starts over in a network namespace of our own."""
    for tool in ("unshare", "nsenter", "ip"):
        if shutil.which(tool) is None:
            skip(f"there is no `{tool}` (util-linux, iproute2)")
    unshare = ["unshare", "--net"]
    if os.geteuid() != 0:
        unshare += ["--user", "--map-root-user"]
    tried = subprocess.run([*unshare, "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        skip(f"no network namespaces: {tried.stderr.strip()}")
    os.execvpe(unshare[0], [*unshare, sys.executable, "-B", *sys.argv], {**os.environ, INSIDE: "1"})


def ip(*words: str, inside: list[str] | None = None) -> None:
    subprocess.run([*(inside or []), "ip", *words], check=True, capture_output=True, text=True, timeout=SECONDS)


class Lines:
    """What a program prints, line by line, with patience."""

    def __init__(self, process: subprocess.Popen):
        self.lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, args=(process,), daemon=True).start()

    def _read(self, process: subprocess.Popen) -> None:
        for line in process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def wait_for(self, pattern: str) -> re.Match:
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                line = self.lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                sys.exit(f"no line like {pattern!r} in {SECONDS} s")
            if line is None:
                sys.exit(f"the program ended before it printed a line like {pattern!r}")
            print(f"  {line}")
            if line.startswith("error") or line == "closed":
                sys.exit("the subscription must not end, nor report an error")
            if found := re.fullmatch(pattern, line):
                return found


class Cable:
    """Two ends; the far one lies in a namespace that lives as long as its keeper."""

    def __init__(self) -> None:
        self.keeper = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        self.far = ["nsenter", f"--net=/proc/{self.keeper.pid}/ns/net"]
        here = os.readlink("/proc/self/ns/net")
        deadline = time.monotonic() + SECONDS
        while os.readlink(f"/proc/{self.keeper.pid}/ns/net") == here:
            if self.keeper.poll() is not None or time.monotonic() > deadline:
                skip("no second network namespace")
            time.sleep(0.01)
        try:
            ip("link", "add", "near", "type", "veth", "peer", "name", "far", "netns", str(self.keeper.pid))
        except subprocess.CalledProcessError as error:
            self.keeper.kill()
            skip(f"no veth devices: {error.stderr.strip()}")
        for device, address, inside in (("near", OURS, None), ("far", THEIRS, self.far)):
            ip("address", "add", f"{address}/30", "dev", device, inside=inside)
            ip("link", "set", "lo", "up", inside=inside)
            ip("link", "set", device, "up", inside=inside)

    def pull(self) -> None:
        ip("link", "set", "near", "down")

    def put_back(self) -> None:
        ip("link", "set", "near", "up")

    def remove(self) -> None:
        self.keeper.kill()
        self.keeper.wait(SECONDS)


def main() -> int:
    if INSIDE not in os.environ:
        enter_namespace()
    server_program, probe_program = (str(pathlib.Path(program).resolve()) for program in sys.argv[1:])
    cable = Cable()
    processes: list[subprocess.Popen] = []

    def start(command: list[str], environment: dict[str, str], stdin: int) -> subprocess.Popen:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdin=stdin, stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        return process

    try:
        server = start(
            [*cable.far, server_program, "--host", THEIRS, "--allow-remote", "--port", "0", "--print-env"],
            {},
            subprocess.DEVNULL,
        )
        said = Lines(server)
        settings = {
            name: shlex.split(said.wait_for(rf"export {name}=(.*)").group(1))[0]
            for name in ("NULLSPACE_API_URL", "NULLSPACE_API_KEY")
        }
        probe = start([probe_program], settings, subprocess.PIPE)
        seen = Lines(probe)
        seen.wait_for("connected")
        seen.wait_for("snapshot")
        for _ in range(PULLS):
            print("the cable is pulled")
            cable.pull()
            seen.wait_for("reconnecting")
            print("the cable is back")
            cable.put_back()
            seen.wait_for("connected")
            seen.wait_for("snapshot")
        print("the cable is pulled for good")
        cable.pull()
        probe.stdin.close()
        if probe.wait(SECONDS) != 0:
            print(f"the probe ended with {probe.returncode}")
            return 1
        server.terminate()
        if server.wait(SECONDS) != 0:
            print(f"the server ended with {server.returncode}")
            return 1
        return 0
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait(SECONDS)
        cable.remove()


if __name__ == "__main__":
    sys.exit(main())
