"""The monitor: what is there, what changes, figures and processes."""

from __future__ import annotations

from collections.abc import Callable

from nullspace import Monitor, Sandbox, SandboxStatus

Eventually = Callable[[Callable[[], object]], None]


def test_all_callbacks(eventually: Eventually) -> None:
    with Sandbox.create(metadata={"role": "watched"}) as sandbox:
        sandbox.commands.run("sleep 600", shell=True, background=True)
        snapshots, updates, metrics, processes, errors = [], [], [], [], []
        subscription = Monitor().subscribe(
            interval_ms=500,
            include_processes=True,
            on_snapshot=snapshots.append,
            on_update=updates.append,
            on_metrics=metrics.append,
            on_processes=processes.append,
            on_error=errors.append,
        )
        try:
            eventually(lambda: snapshots)
            seen = {info.id: info for info in snapshots[0].sandboxes}
            assert seen[sandbox.id].status is SandboxStatus.RUNNING
            assert seen[sandbox.id].metadata["role"] == "watched"

            def own(events: list) -> list:
                return [event for event in events if event.sandbox_id == sandbox.id]

            eventually(lambda: len(own(metrics)) >= 2 and own(processes))
            eventually(lambda: own(metrics)[-1].metrics.mem_used_bytes > 0)
            sample = own(metrics)[-1].metrics
            assert sample.cpu_percent >= 0 and sample.cpu_count >= 1
            assert 0 < sample.mem_used_bytes <= sample.mem_total_bytes
            eventually(
                lambda: any(
                    "sleep" in entry.command and entry.running
                    for event in own(processes)
                    for entry in event.processes
                )
            )

            other = Sandbox.create(metadata={"role": "passing"})
            eventually(lambda: any(u.sandbox_id == other.id and u.sandbox for u in updates))
            other.kill()
            eventually(lambda: any(u.sandbox_id == other.id and u.removed for u in updates))
            gone = [u for u in updates if u.sandbox_id == other.id and u.removed]
            assert gone[-1].sandbox is None
            assert errors == []
        finally:
            subscription.stop()
        count = len(metrics)
        subscription.stop()
        assert len(metrics) == count


def test_processes_only_when_asked_for(sandbox: Sandbox, eventually: Eventually) -> None:
    metrics, processes = [], []
    subscription = Monitor().subscribe(
        interval_ms=500, on_metrics=metrics.append, on_processes=processes.append
    )
    eventually(lambda: len({m.metrics.timestamp for m in metrics if m.sandbox_id == sandbox.id}) >= 2)
    subscription.stop()
    assert processes == []


def test_several_subscriptions_at_once(sandbox: Sandbox, eventually: Eventually) -> None:
    monitor = Monitor()
    seen: list[list] = [[], [], []]
    subscriptions = [
        monitor.subscribe(interval_ms=500, on_snapshot=one.append) for one in seen
    ]
    for one in seen:
        eventually(lambda one=one: one)
        assert sandbox.id in [info.id for info in one[0].sandboxes]
    for subscription in subscriptions:
        subscription.stop()
