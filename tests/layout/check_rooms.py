"""Checks that every include follows the arrows of docs/architecture.md.

usage: check_rooms.py <project root>
"""

import pathlib
import re
import sys

# Which rooms a room may include, besides itself and the public headers.
ROOMS = {
    "src/support": set(),
    "src/ingress": {"src/support"},
    "src/wire": {"src/support"},
    "src/transport": {"src/support"},
    "src/api": {"src/support", "src/ingress", "src/wire", "src/transport"},
    "local/guest": set(),
    "local": {"local/guest", "local/server", "src/support", "src/ingress", "src/wire", "src/transport"},
    "local/server": {"local", "local/guest", "src/support", "src/ingress", "src/wire", "src/transport"},
    "examples": set(),
    "include/nullspace": set(),
}

# Third parties, and the only files that may know them.
THIRD_PARTIES = {
    r"rapidjson/": r"src/wire/",
    r"curl/": r"src/transport/curl_|bench/",
    r"libwebsockets": r"src/transport/lws_|bench/",
}

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.MULTILINE)


def room_of(path: str) -> str | None:
    """The innermost room that a path relative to the root lies in."""
    fitting = [room for room in ROOMS if path.startswith(room + "/")]
    return max(fitting, key=len, default=None)


def target_of(include: str) -> str | None:
    """The room that an include names; headers of src/ are named without their `src/`."""
    return room_of(include) or room_of("src/" + include)


def problems_in(path: str, text: str) -> list[str]:
    room = room_of(path)
    found = []
    for match in INCLUDE.finditer(text):
        include = match.group(2)
        line = text.count("\n", 0, match.start()) + 1
        target = target_of(include)
        if room and target and target != room and target not in ROOMS[room]:
            found.append(f"{path}:{line}: {room} may not know {target}: {include}")
        for third_party, allowed in THIRD_PARTIES.items():
            if re.match(third_party, include) and not re.match(allowed, path):
                found.append(f"{path}:{line}: {include} may be included by {allowed} only")
        if room == "include/nullspace" and "/" in include and not include.startswith("nullspace/"):
            found.append(f"{path}:{line}: public headers include the standard library and each other: {include}")
    return found


def main() -> int:
    root = pathlib.Path(sys.argv[1])
    files = [
        file
        for folder in ("include", "src", "local", "examples", "tests", "bench")
        for pattern in ("*.hpp", "*.cpp")
        for file in sorted((root / folder).rglob(pattern))
    ]
    problems = [
        problem
        for file in files
        for problem in problems_in(file.relative_to(root).as_posix(), file.read_text(encoding="utf-8"))
    ]
    for problem in problems:
        print(problem)
    if not files:
        print("no sources found")
    return 1 if problems or not files else 0


if __name__ == "__main__":
    sys.exit(main())
