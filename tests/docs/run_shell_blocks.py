"""Runs the `sh` blocks of a Markdown file against a local server, as one script.

usage: run_shell_blocks.py <nullspace-local> <markdown file> [<option of nullspace-local>...]

A `text` block that follows holds what the commands print, but for empty lines; `…` in it stands for anything.
"""

import os
import pathlib
import re
import subprocess
import sys

BLOCKS = re.compile(r"^```sh\n(.*?)^```$(?:\s*^```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)
SEPARATOR = "---- next block ----"
LIMIT = 120


def environment_of(server: subprocess.Popen) -> dict[str, str]:
    """What `--print-env` prints."""
    variables = dict(os.environ)
    for line in server.stdout:
        name, _, value = line.strip().removeprefix("export ").partition("=")
        variables[name] = value.strip("'")
    return variables


def as_pattern(expected: str) -> str:
    return ".*".join(re.escape(part) for part in expected.split("…"))


def main() -> int:
    text = pathlib.Path(sys.argv[2]).read_text(encoding="utf-8")
    blocks = BLOCKS.findall(text)
    if not blocks:
        print("no sh blocks found")
        return 1
    script = "set -euo pipefail\n" + f"echo '{SEPARATOR}'\n".join(commands for commands, _ in blocks)
    options = ["--port", "0", "--print-env", *sys.argv[3:]]
    server = subprocess.Popen([sys.argv[1], *options], stdout=subprocess.PIPE, text=True)
    try:
        run = subprocess.run(
            ["bash", "-c", script],
            env=environment_of(server),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            timeout=LIMIT,
            check=False,
        )
    finally:
        server.terminate()
        server.wait(LIMIT)
    outputs = run.stdout.split(SEPARATOR + "\n")
    failed = run.returncode != 0
    if failed:
        print(f"the commands end with {run.returncode}")
    for (commands, expected), output in zip(blocks, outputs):
        lines = [line for line in output.splitlines() if line]
        wanted = expected.splitlines()
        if len(lines) == len(wanted) and all(
            re.fullmatch(as_pattern(pattern), line) for pattern, line in zip(wanted, lines)
        ):
            continue
        failed = True
        print(f"these commands:\n{commands}\nshould print:\n{expected}\nbut print:\n{output}")
    return 1 if failed or len(outputs) != len(blocks) else 0


if __name__ == "__main__":
    sys.exit(main())
