"""A job of one side, in a new process: what it answers, and the memory that it takes."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[1]
HERE, QLIB = "here", "qlib"
SAMPLE_SECONDS = 0.1

Answer = dict[str, Any]


def run(
    job: Callable[..., Answer], *args: Any, watch: bool = False, forked: bool = False
) -> Answer:
    """Call a function of a module in a new process, in an empty folder.

    Args:
        job: Takes and answers what JSON can hold.
        *args: Its arguments.
        watch: Add ``peak``: the most memory in bytes that the process and its children had.
        forked: Fork this process, which has everything imported already.

    Returns:
        The job's answer, and as ``whole`` the seconds that the process took.
    """
    with tempfile.TemporaryDirectory(prefix="wf-bench-") as folder:
        answer, log = Path(folder, "answer.json"), Path(folder, "log")
        call = (f"{job.__module__}:{job.__name__}", json.dumps(args), str(answer))
        started = time.perf_counter()
        process = psutil.Process((_forked if forked else _fresh)(call, folder, log))
        peak = _peak_of(process) if watch else 0
        failed = process.wait()
        whole = time.perf_counter() - started
        if failed:
            raise SystemExit(f"{call[0]} failed:\n{log.read_text(errors='replace')[-3000:]}")
        result: Answer = json.loads(answer.read_text())
    return {**result, "whole": whole, **({"peak": peak} if watch else {})}


def _fresh(call: tuple[str, str, str], folder: str, log: Path) -> int:
    with log.open("wb") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "benchmarks.sides", *call],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=out,
            stderr=out,
        ).pid


def _forked(call: tuple[str, str, str], folder: str, log: Path) -> int:
    if pid := os.fork():
        return pid
    failed = 1
    try:
        out = os.open(log, os.O_WRONLY | os.O_CREAT)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.chdir(folder)
        main(*call)
        failed = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(failed)


def _peak_of(process: psutil.Process) -> int:
    """The most bytes that a process tree had at once, until it ends."""
    peak = 0
    with suppress(psutil.Error):
        while process.status() != psutil.STATUS_ZOMBIE:
            peak = max(peak, _memory([process, *process.children(recursive=True)]))
            time.sleep(SAMPLE_SECONDS)
    return peak


def _memory(tree: Iterable[psutil.Process]) -> int:
    """Bytes of processes; what they share counts once where the system says (PSS)."""
    total = 0
    for process in tree:
        try:
            full = process.memory_full_info()
            total += getattr(full, "pss", full.uss)
        except psutil.Error:  # it has ended meanwhile
            continue
    return total


def main(name: str, args: str, answer: str) -> None:
    """Be the new process."""
    module, _, function = name.partition(":")
    result = getattr(importlib.import_module(module), function)(*json.loads(args))
    Path(answer).write_text(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
