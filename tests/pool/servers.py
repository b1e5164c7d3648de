"""Real servers on free loopback ports, which tests may stop and start again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from filelock import FileLock

from tests.support import is_running

NO_POSTGRES = "no PostgreSQL server on this machine: apt-get install postgresql"


def require_postgres() -> None:
    """Skip a test where PostgreSQL cannot be had; fail it where it must be (in CI)."""
    if Postgres.missing():
        if os.environ.get("WF_REQUIRE_POSTGRES") == "1":
            pytest.fail(NO_POSTGRES)
        pytest.skip(NO_POSTGRES)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A server process with a folder of its own."""

    stop_signal = signal.SIGKILL  # at once, as a crash or a pulled plug would

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="wf-test-server-"))
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        with (self.folder / "out.log").open("ab") as out:
            self.process = subprocess.Popen(
                self.command(), stdout=out, stderr=out, cwd=self.folder, **self.identity()
            )
        self._wait_until_ready()

    def identity(self) -> dict[str, object]:
        return {}

    def ready(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _wait_until_ready(self) -> None:
        for _ in range(600):
            if self.ready():
                return
            if self.process is None or self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise RuntimeError((self.folder / "out.log").read_text()[-2000:])

    def stop(self) -> None:
        """End it at once."""
        if self.process is not None:
            self.process.send_signal(self.stop_signal)
            self.process.wait()
            self.process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Mongo(Server):
    """MongoDB's protocol, spoken by nx-27017."""

    @property
    def url(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}/pools"

    def command(self) -> list[str]:
        names = {"--data-dir": "data", "--log-file": "log", "--pid-file": "pid"}
        files = [part for name, file in names.items() for part in (name, str(self.folder / file))]
        return [sys.executable, "-m", "nx_27017.nx_27017", "-p", str(self.port), *files]


class Postgres(Server):
    """PostgreSQL from the system's package; never as root, which it refuses.

    Everybody may log in but the user ``guarded``, who has to know a password.
    """

    stop_signal = signal.SIGQUIT  # PostgreSQL's word for: at once

    def __init__(self) -> None:
        super().__init__()
        self.user = "postgres" if os.geteuid() == 0 else None
        if self.user:
            shutil.chown(self.folder, self.user)
        subprocess.run(
            [self.binary("initdb"), "-D", str(self.data), *_INITDB],
            check=True,
            capture_output=True,
            cwd=self.folder,
            **self.identity(),
        )
        logins = self.data / "pg_hba.conf"
        logins.write_text(f"host all guarded 127.0.0.1/32 scram-sha-256\n{logins.read_text()}")

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def url(self) -> str:
        return f"postgresql://wf@127.0.0.1:{self.port}/postgres"

    @staticmethod
    def binary(name: str) -> str:
        folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
        return (
            shutil.which(name, path=os.pathsep.join([*map(str, folders), os.environ["PATH"]])) or ""
        )

    @classmethod
    def missing(cls) -> bool:
        return not (cls.binary("initdb") and cls.binary("postgres"))

    def identity(self) -> dict[str, object]:
        return {"user": self.user, "group": self.user, "extra_groups": []} if self.user else {}

    def command(self) -> list[str]:
        settings = ["listen_addresses=127.0.0.1", "fsync=off", "max_connections=100"]
        options = [part for setting in settings for part in ("-c", setting)]
        where = ["-p", str(self.port), "-k", str(self.folder)]
        return [self.binary("postgres"), "-D", str(self.data), *where, *options]

    def ready(self) -> bool:
        return super().ready() and self._answers()

    def _answers(self) -> bool:
        done = subprocess.run(
            [self.binary("pg_isready"), "-h", "127.0.0.1", "-p", str(self.port)],
            capture_output=True,
        )
        return done.returncode == 0


_INITDB = ["-U", "wf", "-A", "trust", "-N", "--wal-segsize=1"]


@contextmanager
def share_server(kind: type[Mongo] | type[Postgres], folder: Path) -> Iterator[str]:
    """A server that all processes of a test run share: the first starts it, the last ends it.

    Args:
        kind: Which server.
        folder: A folder that these processes have in common.

    Yields:
        Its address.
    """
    note, lock = folder / f"{kind.__name__}.json", FileLock(folder / f"{kind.__name__}.lock")
    with lock:
        if note.exists():
            entry = json.loads(note.read_text())
        else:
            server = kind()
            server.start()
            assert server.process is not None
            entry = {"url": server.url, "pid": server.process.pid, "folder": str(server.folder)}
            entry["users"] = []
        entry["users"].append(os.getpid())
        note.write_text(json.dumps(entry))
    try:
        yield entry["url"]
    finally:
        with lock:
            entry = json.loads(note.read_text())
            entry["users"] = [
                pid for pid in entry["users"] if pid != os.getpid() and is_running(pid)
            ]
            note.write_text(json.dumps(entry))
            if not entry["users"]:
                note.unlink()
                with suppress(ProcessLookupError):
                    os.kill(entry["pid"], kind.stop_signal)
                shutil.rmtree(entry["folder"], ignore_errors=True)
