"""A web server on this machine, well-behaved or not, that counts what it serves."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


class Server(ThreadingHTTPServer):
    """Serves `files` by their paths, with ranges as RFC 9110 has them.

    `spoil` sees each answer before it is sent, as a dictionary of `status`, `headers` and
    `body`, and may change it; or raise Cut, to close the connection after so many bytes.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.ranges = True
        self.spoil: Any = lambda _request, _answer: None
        #: (method, path, Range) of each request, and bytes of bodies
        self.asked: list[tuple[str, str, str | None]] = []
        self.headers: list[dict[str, str]] = []
        self.served = 0

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{path}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients may hang up."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].lstrip("/")
        self.server.asked.append(("GET", self.path, self.headers["Range"]))
        self.server.headers.append(dict(self.headers))
        answer = self._answer(self.server.files.get(path))
        self.server.spoil(self, answer)
        body = answer["body"]
        self.send_response(answer["status"])
        headers = {"Content-Length": str(len(body))} | answer["headers"]
        for name, value in headers.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        cut = answer.get("cut")
        self.server.served += len(body[:cut])
        self.wfile.write(body[:cut])
        if cut is not None:
            self.close_connection = True

    def _answer(self, data: bytes | None) -> dict[str, Any]:
        if data is None:
            return {"status": 404, "headers": {}, "body": b"no such file"}
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"] or "")
        headers = {"ETag": '"one"', "Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}
        if found is None or not self.server.ranges:
            return {"status": 200, "headers": headers, "body": data}
        start, last = int(found[1]), min(int(found[2]), len(data) - 1)
        if start >= len(data):
            headers["Content-Range"] = f"bytes */{len(data)}"
            return {"status": 416, "headers": headers, "body": b""}
        headers["Content-Range"] = f"bytes {start}-{last}/{len(data)}"
        return {"status": 206, "headers": headers, "body": data[start : last + 1]}


@contextmanager
def serving() -> Iterator[Server]:
    pytest.importorskip("aiohttp")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
