"""What worker processes of these tests do."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from wf_dagster.pool import TaskManager

ROOT = Path(__file__).parents[3]


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
    print(task["_id"], flush=True)
    time.sleep(600)


def fetch_and_commit_when_told(url: str, name: str, lease: float) -> None:
    """Commit a task when a line comes in."""
    pool = TaskManager(name, url, lease=lease)
    task = pool.fetch_task()
    print(task["_id"], flush=True)
    sys.stdin.readline()
    try:
        pool.commit_task_res(task, "mine")
        print("kept")
    except Exception as error:
        print(type(error).__name__, error)
