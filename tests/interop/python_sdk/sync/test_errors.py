"""What the server says no to, and how it says it."""

from __future__ import annotations

import json
import subprocess

import httpx
import pytest
from nullspace import AuthError, Monitor, NotFoundError, Sandbox, SandboxError
from websockets.sync.client import connect as connect_websocket

from server import LocalServer, running_server


def headers(server: LocalServer) -> dict[str, str]:
    return {"Authorization": f"Bearer {server.key}"}


def test_a_missing_key_is_found_before_anything_is_sent() -> None:
    with pytest.raises(SandboxError) as caught:
        Sandbox.create(api_key="  ")
    assert caught.value.code == "missing_api_key"


def test_a_wrong_key_is_refused_everywhere(server: LocalServer) -> None:
    for call in (
        lambda: Sandbox.create(api_key="ns_wrong"),
        lambda: Sandbox.list(api_key="ns_wrong"),
        lambda: Sandbox.get_info_by_id("sb_1", api_key="ns_wrong"),
        lambda: Monitor(api_key="ns_wrong").subscribe(),
    ):
        with pytest.raises(AuthError) as caught:
            call()
        assert caught.value.code == "unauthorized"
    bare = httpx.get(f"{server.url}/v1/sandboxes")
    assert bare.status_code == 401 and bare.json()["code"] == "unauthorized"
    assert bare.headers["x-request-id"].startswith("req_")
    # A key in the query is none.
    assert httpx.get(f"{server.url}/v1/sandboxes?api_key={server.key}").status_code == 401


def test_an_unknown_sandbox_is_not_found() -> None:
    for call in (
        lambda: Sandbox.connect("sb_nobody"),
        lambda: Sandbox.get_info_by_id("sb_nobody"),
        lambda: Sandbox.kill_by_id("sb_nobody"),
        lambda: Sandbox.get_metrics_by_id("sb_nobody"),
    ):
        with pytest.raises(NotFoundError) as caught:
            call()
        assert caught.value.code == "sandbox_not_found"
        assert caught.value.request_id


def test_streams_of_an_unknown_sandbox_are_refused(server: LocalServer) -> None:
    with Sandbox.create() as sandbox:
        pass
    for call in (
        lambda: sandbox.commands.run_streaming("true"),
        lambda: sandbox.pty.create_session(),
    ):
        with pytest.raises(SandboxError) as caught:
            call()
        assert "404" in str(caught.value)


@pytest.mark.parametrize(
    "arguments",
    [
        {"shell": True, "args": ["x"]},
        {"timeout": 0},
        {"timeout": -5},
        {"cwd": "/no/such/directory"},
        {"cwd": "relative"},
    ],
)
def test_commands_that_make_no_sense_are_refused(sandbox: Sandbox, arguments: dict) -> None:
    with pytest.raises(SandboxError) as caught:
        sandbox.commands.run("true", **arguments)
    assert caught.value.code == "invalid_request"
    with pytest.raises(RuntimeError):
        sandbox.commands.run_streaming("true", **arguments)
    # The sandbox is as good as before.
    assert sandbox.commands.run("true").exit_code == 0


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"template": "no-such-template"}, "template_not_found"),
        ({"vcpus": 0}, "invalid_request"),
        ({"memory_mb": -1}, "invalid_request"),
        ({"vcpus": 1000}, "quota_exceeded"),
        ({"cwd": "not/absolute"}, "invalid_request"),
        ({"timeout_action": "explode"}, "invalid_request"),
        ({"snapshot_id": "snap_none"}, "snapshot_not_found"),
        ({"warm_pool": "twp_none", "warm_pool_mode": "require"}, "warm_pool_unavailable"),
    ],
)
def test_creates_that_make_no_sense_are_refused(options: dict, code: str) -> None:
    with pytest.raises(SandboxError) as caught:
        Sandbox.create(**options)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"[" * 100_000,
        b'{"command": 17}',
        b'{"command": "true", "timeout_secs": "soon"}',
        b'{"command": "true", "args": "x"}',
        b'{"command": "true", "envs": {"A": 1}}',
        b'{"command": "true", "timeout_secs": 1e400}',
        b'{"command": "a\\u0000b"}',
        b'{"timeout_secs": 3}',
        b"\xff\xfe",
    ],
)
def test_bodies_that_are_none_are_refused(
    server: LocalServer, sandbox: Sandbox, body: bytes
) -> None:
    response = httpx.post(
        f"{server.url}/v1/sandboxes/{sandbox.id}/exec",
        content=body,
        headers={**headers(server), "Content-Type": "application/json"},
    )
    assert response.status_code == 400
    assert response.json()["code"] == "invalid_request"
    assert response.headers["x-request-id"]


@pytest.mark.parametrize(
    "message",
    [
        "not json",
        "[1, 2, 3]",
        "{}",
        '{"type": 7}',
        '{"type": "exec_start"}',
        '{"type": "exec_start", "id": "e", "command": ["x"]}',
        '{"type": "exec_start", "id": "e", "command": "true", "timeout_secs": 0}',
        '{"type": "pty_start", "id": "p", "cols": 0, "rows": 5}',
        '{"type": "pty_start", "id": "p", "cols": 70000, "rows": 5}',
        '{"type": "pty_input", "id": "p", "session_id": "ses_none", "data_base64": "aGk"}',
        '{"type": "pty_connect", "id": "p"}',
        '{"type": "exec_connect", "id": "e", "pid": 99999999}',
        '{"type":"exec_start","id":"e","command":' + "[" * 5000 + "]" * 5000 + "}",
    ],
)
def test_messages_that_are_none_are_answered_with_an_error(
    server: LocalServer, sandbox: Sandbox, message: str
) -> None:
    url = server.url.replace("http", "ws", 1) + f"/v1/sandboxes/{sandbox.id}/ws?channel=exec"
    with connect_websocket(url, additional_headers=headers(server), proxy=None) as socket:
        socket.send(message)
        answer = json.loads(socket.recv(timeout=60))
        assert answer["type"] == "error" and answer["message"]


def test_text_that_is_no_message_is_called_invalid_message(
    server: LocalServer, sandbox: Sandbox
) -> None:
    url = server.url.replace("http", "ws", 1) + f"/v1/sandboxes/{sandbox.id}/ws?channel=exec"
    with connect_websocket(url, additional_headers=headers(server), proxy=None) as socket:
        socket.send("not json")
        assert "invalid message" in json.loads(socket.recv(timeout=60))["message"]
        # And the connection is still good.
        socket.send(json.dumps({"type": "exec_start", "id": "e", "command": "true"}))
        assert json.loads(socket.recv(timeout=60))["type"] == "exec_started"


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1/sandboxes/x/y/z", "/", "/v1/sandboxes/%2e%2e"])
def test_paths_that_are_none_are_not_found(server: LocalServer, path: str) -> None:
    response = httpx.get(server.url + path, headers=headers(server))
    assert response.status_code in (400, 404, 501)
    assert response.json()["code"]


def test_accounts_do_not_see_each_other(environment: pytest.MonkeyPatch) -> None:
    with running_server("--api-key", "first", "--api-key", "second") as server:
        mine = Sandbox.create(api_key="first", base_url=server.url)
        assert [info.id for info in Sandbox.list(api_key="first", base_url=server.url)] == [mine.id]
        assert list(Sandbox.list(api_key="second", base_url=server.url)) == []
        with pytest.raises(NotFoundError):
            Sandbox.connect(mine.id, api_key="second", base_url=server.url)


def test_a_server_that_stops_leaves_no_process() -> None:
    with running_server() as server:
        sandbox = Sandbox.create(api_key=server.key, base_url=server.url)
        marker = "86422468"
        sandbox.commands.run("sleep", [marker], background=True)
        session = sandbox.pty.create_session()
        session.send_input(f"sleep {marker}\n")
        found = subprocess.run(["pgrep", "-f", f"sleep {marker}"], capture_output=True, text=True)
        assert found.stdout.strip()
    found = subprocess.run(["pgrep", "-f", f"sleep {marker}"], capture_output=True, text=True)
    assert not found.stdout.strip()
