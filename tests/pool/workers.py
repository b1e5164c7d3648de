"""What worker processes of these tests do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress
from pathlib import Path

from wf_dagster.pool import TaskManager

ROOT = Path(__file__).parents[2]


def spawn(call: str, *arguments: object) -> subprocess.Popen[str]:
    """Run a function of this module in a process of its own."""
    code = f"from tests.pool import workers; workers.{call}{arguments!r}"
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class Siblings:
    """Processes that each call a function of this module, forked from one that imported it.

    Args:
        folder: Where their outputs go.
        calls: Name and arguments of the function of each.
    """

    def __init__(self, folder: Path, calls: Sequence[tuple[object, ...]]) -> None:
        self._folder = folder
        self._parent = spawn("fork_each", str(folder), list(calls))
        assert self._parent.stdout is not None
        self.pids = [int(pid) for pid in self._parent.stdout.readline().split()]
        assert len(self.pids) == len(calls), self._parent.communicate()[1]

    def wait(self) -> list[int]:
        """Wait for all; their exit codes, negative for signals."""
        codes, _ = self._parent.communicate(timeout=300)
        return [int(code) for code in codes.split()]

    def read_outputs(self) -> list[str]:
        """What each has printed, or the traceback that ended it."""
        return [(self._folder / f"{number}.out").read_text() for number in range(len(self.pids))]

    def kill(self) -> None:
        """End those that still run."""
        if self._parent.poll() is None:
            for pid in self.pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._parent.kill()


def fork_each(folder: str, calls: Sequence[tuple[object, ...]]) -> None:
    """Print the ids of forked processes, and at their end their exit codes."""
    if any("mongodb" not in str(url) for _, url, *_ in calls):
        import wf_dagster.pool.stores.sql  # noqa: F401  (once for all)
    pids = []
    for number, (call, *arguments) in enumerate(calls):
        pid = os.fork()
        if not pid:
            code = 1
            with Path(folder, f"{number}.out").open("w") as out, redirect_stdout(out):
                try:
                    globals()[str(call)](*arguments)
                    code = 0
                except BaseException:
                    traceback.print_exc(file=out)
            os._exit(code)
        pids.append(pid)
    print(*pids, flush=True)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    print(*codes, flush=True)


def definitions(count: int) -> list[dict[str, object]]:
    return [{"model": {"class": "M"}, "seed": seed} for seed in range(count)]


def create(url: str, name: str, count: int) -> None:
    """Print the ids of tasks that others create at the same time."""
    print(*TaskManager(name, url).create_task(definitions(count)))


def work(url: str, name: str, log: str, lease: float, seconds: float) -> None:
    """Work through the pool; each task worked on and each task committed is a line of the log."""
    pool = TaskManager(name, url, lease=lease, max_attempts=5)
    with Path(log).open("a", buffering=1) as lines:
        while pool.task_stat({"status": {"$in": ["waiting", "running"]}}):
            for task in pool.task_fetcher_iter():
                lines.write(f"fetched {task['_id']} {os.getpid()}\n")
                time.sleep(seconds)
                pool.commit_task_res(task, {"worker": os.getpid(), "seed": task["def"]["seed"]})
                lines.write(f"done {task['_id']} {os.getpid()}\n")
            time.sleep(0.1)


def fetch_and_hang(url: str, name: str, lease: float) -> None:
    """Hold a task until the process ends."""
    task = TaskManager(name, url, lease=lease).fetch_task()
    assert task is not None
    print(task["_id"], flush=True)
    time.sleep(600)


def fetch_and_commit_when_told(url: str, name: str, lease: float) -> None:
    """Commit a task when a line comes in."""
    pool = TaskManager(name, url, lease=lease)
    task = pool.fetch_task()
    assert task is not None
    print(task["_id"], flush=True)
    sys.stdin.readline()
    try:
        pool.commit_task_res(task, "mine")
        print("kept")
    except Exception as error:
        print(type(error).__name__, error)
