"""The heartbeat of a run: which process works on it, and when it last said so."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path

HEARTBEAT_TAG = "wf_heartbeat"
BEAT_SECONDS = 30.0


@dataclass(frozen=True)
class Heartbeat:
    """A sign of life, kept as a tag.

    Attributes:
        host: Machine (and process namespace) on which the process runs.
        pid: Its process id.
        started: When it was started, in seconds since 1970; tells it from a later process
            with the same id.
        at: When it gave this sign, an ISO time in UTC.
        shared: Other processes may work on the run as well.
    """

    host: str
    pid: int
    started: float
    at: str
    shared: bool = False

    @classmethod
    def now(cls, shared: bool = False) -> Heartbeat:
        """A sign of life of this process."""
        at = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        return cls(_host(), os.getpid(), _own_start(os.getpid()), at, shared)

    @classmethod
    def parse(cls, text: str | None) -> Heartbeat | None:
        """The heartbeat in a tag; ``None`` if there is none that can be read."""
        try:
            return cls(**json.loads(text or ""))
        except (TypeError, ValueError):
            return None

    def __str__(self) -> str:
        return json.dumps(asdict(self))

    @property
    def time(self) -> datetime:
        """When the sign was given."""
        return datetime.fromisoformat(self.at)

    def age(self) -> float:
        """Seconds since the sign was given."""
        return (datetime.now(timezone.utc) - self.time).total_seconds()

    def is_local(self) -> bool:
        """Whether the process is, or was, on this machine."""
        return self.host == _host()

    def lives(self) -> bool:
        """Whether the process, one of this machine, is still there; a zombie is not."""
        import psutil  # slow to import

        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < 10
            return same and process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:  # it is there, and somebody else's
            return True


@lru_cache(maxsize=1)
def _host() -> str:
    # Containers may share a host name while their process ids mean different processes.
    try:
        return f"{socket.gethostname()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return socket.gethostname()


@lru_cache(maxsize=1)
def _own_start(pid: int) -> float:
    import psutil  # slow to import

    return float(psutil.Process(pid).create_time())
