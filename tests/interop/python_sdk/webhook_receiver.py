"""A receiver of webhooks, with a verifier that was written from the description alone."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Posted:
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict:
        return json.loads(self.body)

    def is_signed_with(self, secret: str) -> bool:
        expected = hmac.new(secret.encode(), self.body, hashlib.sha256).hexdigest()
        return self.headers["x-nullspace-signature-version"] == "v1" and hmac.compare_digest(
            self.headers["x-nullspace-signature"], f"sha256={expected}"
        )


@dataclass
class Receiver:
    """Answers with the statuses it is given, then with 200."""

    url: str
    statuses: list[int] = field(default_factory=list)
    posted: list[Posted] = field(default_factory=list)


@contextmanager
def running_receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status = receiver.statuses.pop(0) if receiver.statuses else 200
            receiver.posted.append(Posted(headers, body))
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    service = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.daemon_threads = True
    receiver = Receiver(f"http://127.0.0.1:{service.server_port}/hook")
    thread = threading.Thread(target=service.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        service.shutdown()
        service.server_close()
        thread.join()
