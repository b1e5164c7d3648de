"""Servers on loopback: MLflow, and a proxy that can fail on demand."""

from __future__ import annotations

import contextlib
import os
import socket
import socketserver
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

_NO_JOBS = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """An MLflow server that keeps runs and files in a folder; files go through it."""
    port = free_port()
    log = (folder / "server.log").open("w")
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
        "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--serve-artifacts",
        "--artifacts-destination", str(folder / "files"), "--workers", "1",
    ]  # fmt: skip
    process = subprocess.Popen(
        command,
        stdout=log,
        stderr=log,
        start_new_session=True,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", **_NO_JOBS},
    )
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 90
        while True:
            try:
                urllib.request.urlopen(f"{url}/health", timeout=5).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "server.log").read_text()
                assert time.monotonic() < deadline, (folder / "server.log").read_text()
                time.sleep(0.3)
        yield url
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        process.wait(20)


class Proxy(socketserver.ThreadingTCPServer):
    """Hands connections on to a server, or fails as ``mode`` says.

    ``"pass"``, ``"500"`` (answers that), ``"hang"`` (takes connections and is silent) or
    ``"refuse"`` (drops them).
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        host, port = target.removeprefix("http://").split(":")
        self.target = (host, int(port))
        self.mode = "pass"
        self.failed = 0
        self.over = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def fail(self, mode: str, seconds: float) -> None:
        """Fail in this way from the next request on, until some time after it."""
        self.mode = mode
        threading.Timer(seconds, setattr, (self, "mode", "pass")).start()

    def close(self) -> None:
        self.over.set()
        self.shutdown()
        self.server_close()


class _Connection(socketserver.BaseRequestHandler):
    server: Proxy

    def handle(self) -> None:
        """Read one request at a time, so that a kept-alive connection can begin to fail."""
        with socket.create_connection(self.server.target) as upstream:
            back = threading.Thread(target=_pump, args=(upstream, self.request), daemon=True)
            back.start()
            while data := _received(self.request):
                if self.server.mode == "pass":
                    upstream.sendall(data)
                    continue
                self.server.failed += 1
                if self.server.mode == "hang":
                    self.server.over.wait(60)
                elif self.server.mode == "500":
                    self.request.sendall(
                        b"HTTP/1.1 500 Internal Server Error\r\n"
                        b"Content-Length: 0\r\nConnection: close\r\n\r\n"
                    )
                return


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(1 << 16)
    except OSError:
        return b""


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_RDWR)
