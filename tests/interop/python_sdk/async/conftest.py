from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from nullspace import AsyncSandbox

PATIENCE = 60.0


@pytest_asyncio.fixture(scope="module")
async def sandbox(environment: pytest.MonkeyPatch) -> AsyncIterator[AsyncSandbox]:
    """One for all tests of a file that leave nothing in it that another would mind."""
    async with await AsyncSandbox.create(timeout=600, envs={"GREETING": "hello"}) as one:
        yield one


@pytest.fixture
def becomes_true() -> Callable[[Callable[[], Awaitable[object]]], Awaitable[None]]:
    """Waits until an awaited condition holds."""

    async def wait(condition: Callable[[], Awaitable[object]]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not await condition():
            assert time.monotonic() < deadline, "it did not come to pass"
            await asyncio.sleep(0.02)

    return wait
