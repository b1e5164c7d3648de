"""Real servers on free loopback ports, which tests may stop and start again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A server process with a folder of its own."""

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
            time.sleep(0.05)
        raise RuntimeError((self.folder / "out.log").read_text()[-2000:])

    def stop(self) -> None:
        """At once, as a crash or a pulled plug would."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
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
    """PostgreSQL from the system's package; never as root, which it refuses."""

    def __init__(self, password: str = "") -> None:
        super().__init__()
        self.password = password
        self.user = "postgres" if os.geteuid() == 0 else None
        if self.user:
            shutil.chown(self.folder, self.user)
        secret = self.folder / "password"
        secret.write_text(password or "unused")
        if self.user:
            shutil.chown(secret, self.user)
        login = ["-A", "scram-sha-256" if password else "trust", f"--pwfile={secret}"]
        subprocess.run(
            [self.binary("initdb"), "-D", str(self.data), "-U", "wf", "-N", *login],
            check=True,
            capture_output=True,
            cwd=self.folder,
            **self.identity(),
        )

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def url(self) -> str:
        login = f"wf:{self.password}" if self.password else "wf"
        return f"postgresql://{login}@127.0.0.1:{self.port}/postgres"

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
        settings = ["listen_addresses=127.0.0.1", "fsync=off", "max_connections=60"]
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

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)  # PostgreSQL's word for: at once
            self.process.wait()
            self.process = None
