#!/usr/bin/env python3
"""Compiles every public header by itself, the way strangers do: with only include/ on the path, under either compiler and
standard, without RTTI, and behind macros that other people's headers are known to define."""

import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

# From windows.h, X11, Qt, glibc, musl and old C headers.
POISON = r"""
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#define small char
#define near
#define far
#define interface struct
#define IN
#define OUT
#define OPTIONAL
#define ERROR 0
#define NO_ERROR 0
#define DELETE 0x10000
#define CONST const
#define VOID void
#define TRUE 1
#define FALSE 0
#define BOOL int
#define Bool int
#define Status int
#define Success 0
#define None 0L
#define Always 2
#define True 1
#define False 0
#define emit
#define signals public
#define slots
#define foreach for
#define forever for (;;)
#undef stdin
#undef stdout
#undef stderr
#define stdin (poisoned_stdin)
#define stdout (poisoned_stdout)
#define stderr (poisoned_stderr)
#undef major
#undef minor
#define major(device) poisoned_major
#define minor(device) poisoned_minor
#undef linux
#undef unix
#define linux 1
#define unix 1
#define check(condition) poisoned_check
#define verify(condition) poisoned_verify
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define container_of(pointer, type, member) poisoned_container_of
#define I (poisoned_I)
#define assert(condition) poisoned_assert
"""

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wold-style-cast", "-Wundef", "-Werror"]

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def standard_includes(headers):
    names = set()
    for header in headers:
        names.update(name for _, name in INCLUDE.findall(header.read_text()) if not name.startswith("nullspace/"))
    return sorted(names)


def complaints_about_includes(headers):
    """Only the standard library (its names have no suffix) and ourselves, in angle brackets."""
    for header in headers:
        for bracket, name in INCLUDE.findall(header.read_text()):
            is_ours = name.startswith("nullspace/") and name.endswith(".hpp")
            is_standard = re.fullmatch(r"[a-z_]+", name) is not None
            if bracket != "<" or not (is_ours or is_standard):
                yield f"{header.name} includes {name}"


def units(headers):
    """What is compiled: name, text and flags. Each header alone; what holds for the one that includes them all holds for each."""
    standard = "".join(f"#include <{name}>\n" for name in standard_includes(headers))
    for header in headers:
        twice = f"#include <nullspace/{header.name}>\n" * 2
        yield f"{header.stem}.alone", twice, ["-std=c++20"]
    everything = "#include <nullspace/nullspace.hpp>\n"
    yield "all.poisoned", standard + POISON + everything, ["-std=c++20"]
    yield "all.without_rtti", everything, ["-std=c++20", "-fno-rtti"]
    yield "all.next_standard", everything, ["-std=c++2b"]


def complaints_about_the_collection(headers):
    collected = (INCLUDE_DIR / "nullspace" / "nullspace.hpp").read_text()
    for header in headers:
        # What every header includes need not be named.
        if header.name not in ("nullspace.hpp", "export.hpp") and f"<nullspace/{header.name}>" not in collected:
            yield f"nullspace.hpp does not include {header.name}"


def compile_unit(work, compiler, name, text, flags):
    source = pathlib.Path(work) / f"{name}.{pathlib.Path(compiler).name}.cpp"
    source.write_text(text)
    command = [compiler, "-fsyntax-only", *flags, *WARNINGS, "-I", str(INCLUDE_DIR), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else f"{' '.join(command)}\n{done.stderr}"


def main():
    headers = sorted((INCLUDE_DIR / "nullspace").glob("*.hpp"))
    problems = [*complaints_about_includes(headers), *complaints_about_the_collection(headers)]
    if len(headers) < 10:
        problems.append(f"only {len(headers)} headers in {INCLUDE_DIR}")

    # Names of one compiler, a link to it for instance, count once.
    compilers = list({os.path.realpath(found): found for found in map(shutil.which, sys.argv[2:]) if found}.values())
    if not compilers:
        problems.append("no compiler found")
    with tempfile.TemporaryDirectory(prefix="nullspace-headers-") as work:
        with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            jobs = [
                pool.submit(compile_unit, work, compiler, *unit)
                for compiler in compilers
                for unit in units(headers)
            ]
            problems += [problem for job in jobs if (problem := job.result())]
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(headers)} headers, {len(compilers)} compilers, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    INCLUDE_DIR = pathlib.Path(sys.argv[1]).resolve()
    sys.exit(main())
