"""The page of the comparison: the last measurement of each row, kept as JSON beside it."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

import psutil

from benchmarks.bench import Figures
from benchmarks.rows import ROWS, Row
from benchmarks.support import row

HEAD = ("row", "job", "Qlib 0.9.7", "here", "ratio", "to reach", "load", "measured")
PACKAGES = ("pyqlib", "dagster", "mlflow", "pandas", "numpy", "lightgbm", "scikit-learn")


@dataclass(frozen=True)
class Measured:
    """Figures, and when and on what they were measured.

    Attributes:
        qlib: See :class:`Figures`.
        here: See :class:`Figures`.
        note: See :class:`Figures`.
        load: The machine's load when the measurement began: processes that wanted to run.
        date: An ISO date.
        machine: Its cores and versions.
    """

    qlib: float
    here: float
    note: str
    load: float
    date: str
    machine: str

    @classmethod
    def of(cls, measure: Callable[[], Figures]) -> Measured:
        """Measure, here and now."""
        load = round(os.getloadavg()[0], 1)
        figures = measure()
        today = f"{datetime.now(timezone.utc):%Y-%m-%d}"
        return cls(figures.qlib, figures.here, figures.note, load, today, machine())


def machine() -> str:
    """The cores, the memory and the versions that figures depend on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = psutil.virtual_memory().total / 2**30
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{cores} cores, {memory:.0f} GB, {system}; {versions}"


def cells(name: str, result: Measured) -> list[str]:
    """A row of the table."""
    what = ROWS[name]
    job = what.job() + (f" ({result.note})" if result.note else "")
    ratio = f"{result.qlib / result.here:.1f} ×"
    texts = [_figure(value, what.unit) for value in (result.qlib, result.here)]
    reached = "" if _is_reached(what, result) else ", missed"
    return [f"`{name}`", job, *texts, ratio, _aim(what) + reached, f"{result.load:g}", result.date]


def write_page(page: Path, measured: Mapping[str, Measured]) -> None:
    """Write the page, with what was measured before where there is nothing new."""
    store = page.with_suffix(".json")
    stored = json.loads(store.read_text()) if store.exists() else {}
    stored |= {name: asdict(result) for name, result in measured.items()}
    stored = {name: stored[name] for name in ROWS if name in stored}
    store.write_text(json.dumps(stored, indent=2, ensure_ascii=False) + "\n")
    rows = {name: Measured(**result) for name, result in stored.items()}
    machines = "; and on ".join(sorted({result.machine for result in rows.values()}))
    table = [row(*HEAD), row(*["---"] * len(HEAD))]
    table += [row(*cells(name, result)) for name, result in rows.items()]
    by_hand = page.read_text().partition(_BY_HAND) if page.exists() else ("", "", "")
    written = _PAGE.format(table="\n".join(table), machines=machines)
    page.write_text(written + "".join(by_hand[1:]))


def _figure(value: float, unit: str) -> str:
    if unit == "s" and value < 1:
        return f"{1000 * value:.0f} ms"
    return f"{value:.3g} {unit}"


def _aim(what: Row) -> str:
    if what.most:
        return f"≤ {_figure(what.most, what.unit)}"
    return f"≥ {what.faster:g} ×"


def _is_reached(what: Row, result: Measured) -> bool:
    if what.most:
        return result.here <= what.most
    return result.qlib / result.here >= what.faster


_BY_HAND = "\n## Loading definitions\n"  # from there on the page stays as it is
_PAGE = """\
# Beside Qlib: time and memory

Each row is one job that Qlib and this project do on the same data, one after the other, each in a
new process. Imports and `qlib.init` are no part of the time; worker processes, MLflow on SQLite
and the disk are. The predictions of the two sides are compared: where they differ, there is no
row. Tasks are Qlib's own (`DatasetH`, `Alpha158`), the same here and there.

{table}

Qlib runs in its usual settings. A load of 1 or more before a measurement means that the machine
had other work, which takes time from both sides, more so from the one that uses all cores. PSS
counts memory that processes share once; a copy of the raw features is rows × 159 columns × 4
bytes. Of what this project takes in `memory`, most of one copy is a process that has imported
MLflow, Qlib and scikit-learn; the rest is the train segment of the roll in work and what is read
beside it. Unless `WF_MAX_WORKERS` says otherwise, rolls of large data are so few at a time that
those in work hold one copy of the features together. Measured on
{machines}.

`make bench` measures all rows and writes this page; `python -m benchmarks ROW` measures one.
"""
