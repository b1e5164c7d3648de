"""Scripts in processes of their own, and counters of what the store is asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import wf_dagster

ROOT = Path(__file__).parents[2]
_IDLE = {"shut_down_async_logging", "sanitize_metric_value"}  # they ask the store nothing
START = "from wf_dagster import R\nimport os, sys, signal, time\n"


def environment(**more: str) -> dict[str, str]:
    settings = wf_dagster.get_settings()
    uri = {"WF_TRACKING_URI": settings.tracking_uri} if settings.tracking_uri else {}
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "WF_HOME": str(settings.home),
        **uri,
        **more,
    }


def script(code: str, *arguments: str, cwd: Path | None = None, **env: str) -> Any:
    """Start a script; its standard output can be read line by line."""
    return subprocess.Popen(
        [sys.executable, "-c", START + code, *arguments],
        env=environment(**env),
        cwd=cwd or ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(code: str, *arguments: str, cwd: Path | None = None, **env: str) -> Any:
    """Run a script to its end."""
    process = script(code, *arguments, cwd=cwd, **env)
    process.out, process.err = process.communicate(timeout=120)
    return process


FORKS = """
import json, wf_dagster.tracking
import mlflow.store.tracking.sqlalchemy_store, mlflow.store.db.utils, alembic.command
import mlflow.tracking, pandas, filelock
codes, pids = json.loads(sys.argv.pop()), {}
for name, code in codes.items():
    pid = os.fork()
    if not pid:
        break
    pids[pid] = name
else:
    ends = (os.wait() for _ in codes)
    print("ENDS", json.dumps({pids[p]: os.waitstatus_to_exitcode(s) for p, s in ends}), flush=True)
    os._exit(0)
exec(code)
"""


def run_forked(codes: dict[str, str]) -> Any:
    """Run scripts at the same time, each in a process of its own, with the imports done once.

    Each is a copy of one interpreter from where it has imported MLflow, and comes to an end of
    its own; ``ends`` of what is returned are the exit codes by name.
    """
    done = run(FORKS, json.dumps(codes))
    (line,) = (line for line in done.out.splitlines() if line.startswith("ENDS "))
    done.ends = json.loads(line.removeprefix("ENDS "))
    return done


def count_store_calls(monkeypatch: Any, client: Any) -> Counter[str]:
    """Count the calls that a client's store gets from now on."""
    store = client._tracking_client.store
    counted: Counter[str] = Counter()
    depth = [0]
    for name in dir(type(store)):
        method = getattr(store, name)
        if (
            name.startswith("_")
            or name in _IDLE
            or not callable(method)
            or isinstance(method, type)
        ):
            continue

        def call(*args: Any, _method: Any = method, _name: str = name, **kwargs: Any) -> Any:
            counted[_name] += depth[0] == 0  # a store may use its own methods
            depth[0] += 1
            try:
                return _method(*args, **kwargs)
            finally:
                depth[0] -= 1

        monkeypatch.setattr(store, name, call)
    return counted


def own_params(recorder: Any) -> dict[str, str]:
    """The params of a recorder but the command line, which every one has."""
    params: dict[str, str] = recorder.list_params()
    return {name: value for name, value in params.items() if name != "cmd-sys.argv"}
