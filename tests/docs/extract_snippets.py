"""Turns the C++ blocks of a Markdown file into sources that a compiler can check.

usage: extract_snippets.py <output directory> <markdown file>...

A block with a main function is a program of its own. Any other block is a fragment: it becomes the body of a function that
has a client, a sandbox and a session in reach, as the text around it presumes. Prints the files written, one a line.
"""

import pathlib
import re
import sys

BLOCK = re.compile(r"^```cpp\n(.*?)^```$", re.MULTILINE | re.DOTALL)

PRELUDE = """\
#include <nullspace/nullspace.hpp>

#include <chrono>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

"""

FRAGMENT = """\
namespace ns = nullspace;
using namespace std::chrono_literals;

void fragment([[maybe_unused]] ns::Client& client, [[maybe_unused]] ns::Sandbox& sandbox,
              [[maybe_unused]] ns::PtySession& session) {
"""


def source_of(markdown: pathlib.Path, line: int, block: str) -> str:
    """The translation unit for one block; compilers report errors at its place in the Markdown file."""
    place = f'#line {line} "{markdown.as_posix()}"\n'
    if re.search(r"\bmain\s*\(", block):
        return place + block
    includes = "".join(re.findall(r"^#include.*\n", block, re.MULTILINE))
    body = re.sub(r"^#include.*$", "", block, flags=re.MULTILINE)
    return includes + PRELUDE + FRAGMENT + place + body + "}\n"


def main() -> int:
    output = pathlib.Path(sys.argv[1])
    output.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[2:]:
        markdown = pathlib.Path(name)
        text = markdown.read_text(encoding="utf-8")
        for number, match in enumerate(BLOCK.finditer(text), start=1):
            line = text.count("\n", 0, match.start(1)) + 1
            source = source_of(markdown, line, match.group(1))
            target = output / f"{markdown.stem}_{number}.cpp"
            # An unchanged file keeps its time stamp and is not compiled again.
            if not target.exists() or target.read_text(encoding="utf-8") != source:
                target.write_text(source, encoding="utf-8")
            print(target.as_posix())
    return 0


if __name__ == "__main__":
    sys.exit(main())
