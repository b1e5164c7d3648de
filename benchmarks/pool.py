"""The task pool: its cost a task on every store, and many processes on one pool.

``python -m benchmarks.pool [--sizes 1000 10000 50000] [--tasks 10000] [--qlib-python PATH]`` starts
MongoDB's protocol (nx-27017) and PostgreSQL on free ports of this machine, makes an SQLite file,
and prints two Markdown tables: milliseconds a task by the size of the pool, and eight processes
that claim and commit all tasks while two of them are killed. Qlib's own task manager does the
first on ``mongomock``, in an interpreter that has both: this one, or the one given.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.support import row

PROCESSES = 8
KILLED = 2
LEASE = 3.0
CLAIMED = 300  # tasks that are claimed and committed to know the cost of one


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 50_000])
    parser.add_argument("--tasks", type=int, default=10_000, help="of the eight processes")
    parser.add_argument("--qlib-sizes", type=int, nargs="+", default=[500, 1000, 2000])
    parser.add_argument("--qlib-python", default=_own_interpreter())
    parser.add_argument("--qlib", action="store_true", help=argparse.SUPPRESS)  # be Qlib's side
    arguments = parser.parse_args()
    if arguments.qlib:
        by_qlib(arguments.qlib_sizes)
        return
    with stores() as urls:
        print(row("store", "tasks", "create, ms", "again, ms", "claim + commit, ms", "stat, ms"))
        print(row(*["---"] * 6), flush=True)
        for store, url in urls.items():
            for size in arguments.sizes:
                _show(store, size, _manager(url, f"cost_{size}"))
        _beside(arguments.qlib_python, arguments.qlib_sizes)
        print("\n" + row("store", "tasks", "seconds", "claimed twice", "done twice", "lost"))
        print(row(*["---"] * 6), flush=True)
        for store, url in urls.items():
            print(row(store, f"{arguments.tasks:,}", *together(url, arguments.tasks)), flush=True)


@contextmanager
def stores() -> Iterator[dict[str, str]]:
    """The addresses of the stores that can be had on this machine."""
    from tests.pool.servers import Mongo, Postgres

    kinds: dict[str, Any] = {"MongoDB (nx-27017)": Mongo}
    if Postgres.missing():
        print("PostgreSQL is not installed here\n")
    else:
        kinds["PostgreSQL"] = Postgres
    servers = {name: kind() for name, kind in kinds.items()}
    with tempfile.TemporaryDirectory(prefix="wf-bench-") as folder:
        try:
            for server in servers.values():
                server.start()
            yield {
                "SQLite": f"sqlite:///{folder}/tasks.db",
                **{name: server.url for name, server in servers.items()},
            }
        finally:
            for server in servers.values():
                server.remove()


def definitions(count: int) -> list[dict[str, Any]]:
    """Tasks of the size that templates have."""
    kwargs = {"alpha": 10.0, "fit_intercept": True}
    features = {"class": "Features", "kwargs": {"windows": [5, 10, 20, 30, 60]}}
    return [
        {
            "model": {"class": "Model", "module_path": "some.models", "kwargs": kwargs},
            "dataset": {
                "class": "Dataset",
                "module_path": "some.data",
                "kwargs": {
                    "features": features,
                    "segments": {"train": ["2000-01-01", "2010-12-31"], "test": [f"{seed}", None]},
                },
            },
            "record": [{"class": "SignalRecord"}, {"class": "SigAnaRecord"}],
        }
        for seed in range(count)
    ]


def costs(pool: Any, size: int) -> list[float]:
    """Milliseconds a task to create, create again, claim and commit; and to count all."""
    tasks = definitions(size)
    created = _seconds(lambda: pool.create_task(tasks)) / size
    again = _seconds(lambda: pool.create_task(tasks)) / size
    claimed = min(CLAIMED, size)

    def work() -> None:
        for _ in range(claimed):
            with pool.safe_fetch_task() as task:
                pool.commit_task_res(task, 0.5)

    worked = _seconds(work) / claimed
    counted = _seconds(lambda: pool.task_stat())
    assert pool.task_stat()["done"] == claimed
    return [1000 * cost for cost in (created, again, worked, counted)]


def together(url: str, count: int) -> list[Any]:
    """Many processes claim and commit all tasks; two of them are killed half-way."""
    from tests.pool import workers

    pool = _manager(url, "together")
    ids = pool.create_task(workers.definitions(count))
    with tempfile.TemporaryDirectory(prefix="wf-bench-") as folder:
        logs = [Path(folder, f"{number}.log") for number in range(PROCESSES)]
        running = [workers.spawn("work", url, "together", str(log), LEASE, 0) for log in logs]
        try:
            while not any(log.exists() and log.stat().st_size for log in logs):
                time.sleep(0.01)
            started = time.monotonic()
            while pool.task_stat().get("done", 0) < count // 2:
                time.sleep(0.05)
            for process in running[:KILLED]:
                process.send_signal(signal.SIGKILL)
            for process in running:
                process.wait()
        finally:
            for process in running:
                process.kill()
        seconds = time.monotonic() - started
        lines = [line.split() for log in logs for line in log.read_text().splitlines()]
    times = {what: Counter(line[1] for line in lines if line[0] == what) for what in _LINES}
    killed = {str(process.pid) for process in running[:KILLED]}
    held = {line[1] for line in lines if line[2] in killed}  # their last may be handed out again
    twice = [i for i, n in times["fetched"].items() if n > 1 and i not in held]
    done = pool.task_stat().get("done", 0)
    return [
        f"{seconds:.1f}",
        len(twice),
        sum(n > 1 for n in times["done"].values()),
        len(ids) - done,
    ]


_LINES = ("fetched", "done")


def _manager(url: str, name: str) -> Any:
    from wf_dagster import TaskManager

    return TaskManager(name, url)


def _seconds(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _show(store: str, size: int, pool: Any) -> None:
    figures = costs(pool, size)
    print(row(store, f"{size:,}", *(f"{cost:.2f}" for cost in figures)), flush=True)


# Qlib


def by_qlib(sizes: list[int]) -> None:
    """The same rows by Qlib's task manager, on a MongoDB that is a dict of this process."""
    import mongomock
    import qlib
    from qlib.workflow.task import manage, utils

    logging.disable(logging.WARNING)
    qlib.init(provider_uri=tempfile.gettempdir(), mongo={"task_url": "", "task_db_name": "bench"})
    logging.disable(logging.WARNING)
    client = mongomock.MongoClient()
    utils.MongoClient = lambda *_, **__: client
    for size in sizes:
        _show("Qlib on mongomock", size, manage.TaskManager(f"cost_{size}"))


def _own_interpreter() -> str | None:
    both = all(importlib.util.find_spec(name) for name in ("qlib", "mongomock"))
    return sys.executable if both else None


def _beside(python: str | None, sizes: list[int]) -> None:
    if python is None:
        print("\nQlib or mongomock is not installed here: name an interpreter with --qlib-python")
        return
    command = [python, "-m", "benchmarks.pool", "--qlib", "--qlib-sizes", *map(str, sizes)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    rows = [line for line in done.stdout.splitlines() if line.startswith("|")]
    print("\n".join(rows), flush=True)


if __name__ == "__main__":
    main()
