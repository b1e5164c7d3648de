"""Seconds and memory of a piece of work, in a process of its own."""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass
class Measure:
    """What a piece of work took.

    Attributes:
        seconds: Wall time.
        before: Resident memory when it started, in MB.
        peak: The most that was resident while it ran, in MB.
    """

    seconds: float = 0.0
    before: float = 0.0
    peak: float = 0.0


@contextmanager
def measured() -> Iterator[Measure]:
    """Measure the block; what it yields is filled in at the end."""
    measure = Measure()
    clear = Path("/proc/self/clear_refs")
    if clear.exists():  # Linux: the peak so far is forgotten
        clear.write_text("5")
        measure.before = _status("VmRSS")
    started = time.perf_counter()
    yield measure
    measure.seconds = time.perf_counter() - started
    # elsewhere the peak is that of the whole process, in bytes on macOS
    whole = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    measure.peak = _status("VmHWM") if clear.exists() else whole / (1024 if _mac() else 1)


def apart(work: Callable[..., Any], *args: Any) -> Any:
    """What a function of a module gives when it is called in a new process."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(work, *args).result()


def row(*cells: object) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(map(str, cells))} |"


def _status(name: str) -> float:
    """A figure of this process in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _mac() -> bool:
    return sys.platform == "darwin"
