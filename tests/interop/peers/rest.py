"""The REST endpoints, as the protocol describes them."""

from __future__ import annotations

import json

from account import Account, Sandbox
from http_wire import Request, Response, answer, flat_error
from process import Process


class Rest:
    def __init__(self, account: Account, api_key: str) -> None:
        self._account = account
        self._api_key = api_key

    def authorized(self, request: Request) -> bool:
        return request.header("authorization") == f"Bearer {self._api_key}"

    async def respond(self, request: Request) -> Response:
        segments = request.segments
        if request.path == "/healthz":
            return answer({"status": "ok"})
        if segments[:1] != ["v1"]:
            return flat_error(404, "not_found", f"no such path: {request.path}")
        if not self.authorized(request):
            return flat_error(401, "unauthorized", "the API key is missing or wrong")
        match (request.method, *segments[1:]):
            case ("POST", "sandboxes"):
                return self._create(request)
            case ("GET", "sandboxes"):
                return self._list(request)
            case (_, "sandboxes", sandbox_id, *rest):
                sandbox = self._account.sandboxes.get(sandbox_id)
                if sandbox is None:
                    return flat_error(
                        404, "sandbox_not_found", f"sandbox {sandbox_id} not found",
                        request_id="req_peer",
                    )  # fmt: skip
                return await self._in_sandbox(request, sandbox, rest)
        return flat_error(501, "not_implemented", f"{request.method} {request.path}")

    def _create(self, request: Request) -> Response:
        key = request.header("idempotency-key")
        if not key:
            return flat_error(400, "invalid_request", "this peer insists on an Idempotency-Key")
        sandbox = self._account.create(request.json(), key)
        if sandbox is None:
            return flat_error(409, "conflict", "this key was used for another create")
        body = {**sandbox.describe(), "traffic_access_token": "nst_peer_token"}
        return answer(body, 201, X_Nullspace_Dispatch_Proof=f"proof-of-{sandbox.id}")

    def _list(self, request: Request) -> Response:
        items = [sandbox.describe() for sandbox in self._account.sandboxes.values()]
        query = request.query
        if not query:
            return answer(items)
        if "metadata" in query:
            wanted = json.loads(query["metadata"])
            items = [
                item
                for item in items
                if all(item["metadata"].get(key) == value for key, value in wanted.items())
            ]
        if "template" in query:
            items = [item for item in items if item["template"] == query["template"]]
        if "state" in query:
            items = [item for item in items if item["status"] in query["state"].split(",")]
        if "fields" in query:
            wanted_keys = query["fields"].split(",")
            items = [{key: item[key] for key in wanted_keys} for item in items]
        start = int(query.get("next_token", "nt_0").removeprefix("nt_"))
        end = start + int(query.get("limit", 100))
        more = end < len(items)
        return answer(
            {
                "items": items[start:end],
                "next_token": f"nt_{end}" if more else None,
                "has_next": more,
            }
        )

    async def _in_sandbox(self, request: Request, sandbox: Sandbox, rest: list[str]) -> Response:
        match (request.method, *rest):
            case ("GET",):
                whole = sandbox.describe()
                if fields := request.query.get("fields"):
                    return answer({key: whole[key] for key in fields.split(",")})
                return answer(whole)
            case ("DELETE",):
                self._account.kill(sandbox)
                return Response(204)
            case ("POST", "timeout"):
                wanted = request.json()
                sandbox.set_timeout(wanted["timeout_ms"], wanted.get("timeout_action"))
                return Response(204)
            case ("GET", "metrics"):
                return answer([sandbox.metrics()])
            case ("POST", "exec"):
                return await self._exec(request, sandbox)
            case ("GET", "processes"):
                return answer(
                    [
                        {"pid": one.pid, "command": one.command, "running": one.running}
                        for one in sandbox.processes.values()
                    ]
                )
            case (_, "processes", pid, action):
                process = sandbox.processes.get(int(pid))
                if process is None:
                    return flat_error(404, "not_found", f"no process {pid}")
                return self._process(request, process, action)
            case ("GET", "pty"):
                return answer([one.describe() for one in sandbox.terminals.values()])
            case (_, "pty", session_id, *action):
                terminal = sandbox.terminals.get(session_id)
                if terminal is None:
                    return flat_error(404, "not_found", f"no session {session_id}")
                match (request.method, *action):
                    case ("GET",):
                        return answer(terminal.describe())
                    case ("DELETE",):
                        terminal.kill()
                        return Response(204)
                    case ("POST", "resize"):
                        terminal.resize(**request.json())
                        return Response(200)
        return flat_error(501, "not_implemented", f"{request.method} {request.path}")

    async def _exec(self, request: Request, sandbox: Sandbox) -> Response:
        wanted = request.json()
        if wanted.get("shell") and wanted.get("args"):
            return flat_error(400, "invalid_request", "shell takes no args")
        process = Process(next(self._account.pids), wanted["command"], wanted.get("args", []))
        sandbox.processes[process.pid] = process
        process.start()
        if wanted["background"]:
            return answer({"pid": process.pid})
        await process.wait()
        return answer(
            {
                "exit_code": process.exit_code,
                "stdout": process.stdout,
                "stderr": process.stderr,
                "pid": process.pid,
            }
        )

    def _process(self, request: Request, process: Process, action: str) -> Response:
        match (request.method, action):
            case ("GET", "logs"):
                return answer(
                    {
                        "stdout": process.stdout,
                        "stderr": process.stderr,
                        "output": process.output,
                        "exit_code": process.exit_code,
                    }
                )
            case ("POST", "stdin"):
                process.write_stdin(request.json()["data"])
                return Response(204)
            case ("POST", "kill"):
                process.kill()
                return Response(200)
        return flat_error(501, "not_implemented", f"{request.method} {request.path}")
