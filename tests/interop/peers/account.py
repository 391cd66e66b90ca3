"""The sandboxes of the one account that the peer serves, and those who want to hear of changes."""

from __future__ import annotations

import asyncio
import itertools
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from process import Process
    from terminal import Terminal


def timestamp(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


class Sandbox:
    def __init__(self, sandbox_id: str, wanted: dict[str, Any]) -> None:
        self.id = sandbox_id
        self.wanted = wanted
        self.created = datetime.now(timezone.utc)
        self.timeout_ms = int(wanted["timeout_ms"])
        self.timeout_action = wanted.get("timeout_action", "destroy")
        self.deadline = self.created + timedelta(milliseconds=self.timeout_ms)
        self.processes: dict[int, Process] = {}
        self.terminals: dict[str, Terminal] = {}

    def set_timeout(self, timeout_ms: int, action: str | None) -> None:
        self.timeout_ms = timeout_ms
        self.timeout_action = action or self.timeout_action
        self.deadline = datetime.now(timezone.utc) + timedelta(milliseconds=timeout_ms)

    def describe(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "status": "running",
            "config": {"vcpus": self.wanted["vcpus"], "memory_mb": self.wanted["memory_mb"]},
            "template": self.wanted["template"],
            "metadata": self.wanted["metadata"],
            "created_at": timestamp(self.created),
            "started_at": timestamp(self.created),
            "timeout_ms": self.timeout_ms,
            "timeout_at": timestamp(self.deadline),
            "expires_at": timestamp(self.deadline),
            "timeout_action": self.timeout_action,
            "cwd": self.wanted.get("cwd"),
            "something_from_the_future": {"of": ["any", "shape"]},
        }

    def metrics(self) -> dict[str, Any]:
        return {
            "timestamp": timestamp(datetime.now(timezone.utc)),
            "cpu_percent": 3.5,
            "cpu_count": self.wanted["vcpus"],
            "mem_used_bytes": 90_177_536,
            "mem_total_bytes": 8 << 32,
            "disk_used_bytes": 734_003_200,
            "disk_total_bytes": 2 << 40,
            "network_rx_bytes": None,
            "network_tx_bytes": 17,
        }


class Account:
    def __init__(self) -> None:
        self.sandboxes: dict[str, Sandbox] = {}
        self.created_ever = 0
        self.pids = itertools.count(100)
        self._creations: dict[str, tuple[dict[str, Any], Sandbox]] = {}
        self._watchers: list[asyncio.Queue[dict[str, Any]]] = []

    def create(self, wanted: dict[str, Any], key: str) -> Sandbox | None:
        """The sandbox of that idempotency key; nothing if the key was used for another one."""
        if key in self._creations:
            before, sandbox = self._creations[key]
            return sandbox if before == wanted else None
        self.created_ever += 1
        sandbox = Sandbox(f"sb_{self.created_ever}", wanted)
        self.sandboxes[sandbox.id] = sandbox
        self._creations[key] = (wanted, sandbox)
        self._tell({"sandbox_id": sandbox.id, "sandbox": sandbox.describe(), "removed": False})
        return sandbox

    def kill(self, sandbox: Sandbox) -> None:
        del self.sandboxes[sandbox.id]
        for process in sandbox.processes.values():
            process.kill()
        self._tell({"sandbox_id": sandbox.id, "sandbox": None, "removed": True})

    def watch(self) -> asyncio.Queue[dict[str, Any]]:
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._watchers.append(queue)
        return queue

    def unwatch(self, queue: asyncio.Queue[dict[str, Any]]) -> None:
        self._watchers.remove(queue)

    def _tell(self, update: dict[str, Any]) -> None:
        for queue in self._watchers:
            queue.put_nowait(update)
