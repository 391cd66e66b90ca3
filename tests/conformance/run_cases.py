"""Runs the cases of the Autobahn test suite against one side of a WebSocket.

usage: run_cases.py client|server <echo program>

The fuzzing peer is kosoku (see tests/interop/requirements.txt). What may fail is in deviations.toml.
"""

import asyncio
import collections
import pathlib
import sys
import time
import tomllib

try:
    import kosoku
except ImportError:
    sys.exit(f"kosoku is not installed for {sys.executable}: ./dev test makes an environment that has it")

# Most cases wait for something, so that together they take a fraction of the time.
AT_A_TIME = 4


async def examine_client(program: str, cases: list[str] | None, excluded: list[str], at_a_time: int) -> list:
    async with kosoku.run_fuzzingserver(cases, excluded, port=0) as server:
        client = await asyncio.create_subprocess_exec(program, f"ws://127.0.0.1:{server.port}", str(at_a_time))
        results = asyncio.ensure_future(server.get_result())
        if await client.wait() != 0:
            sys.exit(f"{program} ended with {client.returncode}")
        return await results


async def examine_server(program: str, cases: list[str] | None, excluded: list[str], at_a_time: int) -> list:
    server = await asyncio.create_subprocess_exec(
        program, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    url = (await server.stdout.readline()).decode().strip()
    if not url:
        sys.exit(f"{program} ended with {await server.wait()}")
    try:
        return await kosoku.run_fuzzingclient(url, cases, excluded, concurrency=at_a_time)
    finally:
        server.stdin.close()
        if await server.wait() != 0:
            sys.exit(f"{program} ended with {server.returncode}")


EXAMINE = {"client": examine_client, "server": examine_server}


def run(side: str, program: str, excluded: list[str], cases: list[str] | None = None, at_a_time: int = AT_A_TIME) -> list:
    try:
        return asyncio.run(EXAMINE[side](program, cases, excluded, at_a_time))
    except kosoku.FailureError as failure:
        return failure.results


def main() -> int:
    side, program = sys.argv[1:]
    rules = tomllib.loads((pathlib.Path(__file__).parent / "deviations.toml").read_text(encoding="utf-8"))
    excluded, deviations = list(rules["excluded"]), rules[side]

    start = time.monotonic()
    results = {result.case_id: result for result in run(side, program, excluded)}
    verdicts = collections.Counter(result.behavior.value for result in results.values())
    print(f"{len(results)} cases in {time.monotonic() - start:.1f} s:", *(f"{n} {v}" for v, n in verdicts.most_common()))
    for case, why in rules["excluded"].items():
        print(f"not run: {case}: {why}")

    def surprises() -> list:
        return [result for result in results.values() if result.passed == (result.case_id in deviations)]

    # The cases have time limits that were made for a machine that does nothing else: what is not as expected gets one more
    # chance, alone.
    again = [result.case_id for result in surprises()]
    if again:
        print("once more, alone:", *again)
        results.update((result.case_id, result) for result in run(side, program, excluded, again, at_a_time=1))

    for case, why in deviations.items():
        print(f"accepted: {case}: {' '.join(why.split())}")
    problems = [
        f"{r.case_id} passes and is listed as a deviation"
        if r.passed
        else f"{r.case_id} {r.behavior.value}, close {r.behavior_close.value}: {r.result} {r.result_close}\n  {r.expectation}"
        for r in surprises()
    ]
    problems += [f"{case} is listed as a deviation, but there is no such case" for case in deviations.keys() - results.keys()]
    if len(results) != rules["cases"]:
        problems.append(f"{len(results)} cases were run instead of {rules['cases']}")
    for problem in problems:
        print("PROBLEM:", problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
