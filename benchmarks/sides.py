"""A job of one side, in a new process: what it answers, and the memory that it takes."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[1]
HERE, QLIB = "here", "qlib"
SAMPLE_SECONDS = 0.1

Answer = dict[str, Any]


def run(job: Callable[..., Answer], *args: Any, watch: bool = False) -> Answer:
    """Call a function of a module in a new process, in an empty folder.

    Args:
        job: Takes and answers what JSON can hold.
        *args: Its arguments.
        watch: Add ``peak``: the most memory in bytes that the process and its children had.

    Returns:
        The job's answer, and as ``whole`` the seconds that the process took.
    """
    with tempfile.TemporaryDirectory(prefix="wf-bench-") as folder:
        answer, log = Path(folder, "answer.json"), Path(folder, "log")
        name = f"{job.__module__}:{job.__name__}"
        started = time.perf_counter()
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.sides", name, json.dumps(args), str(answer)],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=out,
                stderr=out,
            )
            peak = _peak_of(process) if watch else 0
            process.wait()
        whole = time.perf_counter() - started
        if process.returncode:
            raise SystemExit(f"{name} failed:\n{log.read_text(errors='replace')[-3000:]}")
        made: Answer = json.loads(answer.read_text())
    return {**made, "whole": whole, **({"peak": peak} if watch else {})}


def _peak_of(process: subprocess.Popen[bytes]) -> int:
    """The most bytes that a process tree had at once, until it ends."""
    peak = 0
    while process.poll() is None:
        peak = max(peak, _memory(process.pid))
        time.sleep(SAMPLE_SECONDS)
    return peak


def _memory(pid: int) -> int:
    """Bytes of a process and its children; what they share counts once where the system says."""
    total = 0
    try:
        root = psutil.Process(pid)
        tree = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0
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
    made = getattr(importlib.import_module(module), function)(*json.loads(args))
    Path(answer).write_text(json.dumps(made))


if __name__ == "__main__":
    main(*sys.argv[1:])
