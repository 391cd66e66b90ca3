"""Checks that every source is compiled: sources are listed by hand, and a test that nobody listed would never fail.

usage: check_sources.py <project root> <compile_commands.json>
"""

import json
import pathlib
import sys

# Projects of their own, built by the tests of their directory.
ELSEWHERE = ("tests/package/customer/",)


def main() -> int:
    root = pathlib.Path(sys.argv[1])
    commands = json.loads(pathlib.Path(sys.argv[2]).read_text(encoding="utf-8"))
    compiled = {pathlib.Path(command["directory"], command["file"]).resolve() for command in commands}
    sources = [
        source.relative_to(root).as_posix()
        for folder in ("src", "local", "examples", "tests", "bench")
        for source in sorted((root / folder).rglob("*.cpp"))
    ]
    forgotten = [
        source for source in sources if not source.startswith(ELSEWHERE) and (root / source).resolve() not in compiled
    ]
    for source in forgotten:
        print(f"{source}: in no CMakeLists.txt")
    if not sources:
        print("no sources found")
    return 1 if forgotten or not sources else 0


if __name__ == "__main__":
    sys.exit(main())
