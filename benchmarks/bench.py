"""What a row works with: prices, homes, processes; and what it gives."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import sides
from benchmarks.market import write_market
from benchmarks.workflow import make_store, preload, store_of


@dataclass(frozen=True)
class Size:
    """How much a row has to do; a row has its own fields."""


@dataclass(frozen=True)
class Figures:
    """What a row measured, in its unit.

    Attributes:
        qlib: Qlib's figure; of a row that Qlib has no part in, the other way here.
        here: This project's.
        note: What has to be known to read them.
    """

    qlib: float
    here: float
    note: str = ""


class Bench:
    """A folder for the measurements of one run.

    Args:
        folder: Where prices and homes go.
        quick: For a test: processes are forked from this one, which spares them the imports.
    """

    def __init__(self, folder: str, quick: bool = False) -> None:
        self.folder = Path(folder)
        self.quick = quick
        self._results: dict[Any, Any] = {}
        if quick:
            preload()

    def market(self, instruments: int, sessions: int) -> str:
        """A folder with ``prices.parquet`` and ``provider``, written once a run."""
        place = self.folder / f"market-{instruments}-{sessions}"
        if not place.exists():
            write_market(place, instruments, sessions)
        return str(place)

    def own_market(self, instruments: int, sessions: int) -> str:
        """One that a row may change."""
        place = tempfile.mkdtemp(prefix="market-", dir=self.folder)
        return str(write_market(Path(place), instruments, sessions))

    def home(self) -> str:
        """A folder for the state of one side, with a store that has its tables."""
        empty = self.folder / "empty.db"
        if not empty.exists():
            self.run(make_store, str(empty))
        home = tempfile.mkdtemp(prefix="home-", dir=self.folder)
        for side in (sides.HERE, sides.QLIB):
            shutil.copy(empty, store_of(side, home))
        return home

    def once(self, work: Callable[..., Any], *args: Any) -> Any:
        """What a function gives; in this run it is called once for the same arguments."""
        key = (work, *args)
        if key not in self._results:
            self._results[key] = work(self, *args)
        return self._results[key]

    def run(self, job: Callable[..., sides.Answer], *args: Any, watch: bool = False) -> Any:
        """What a job answers in a new process, see :func:`benchmarks.sides.run`."""
        return sides.run(job, *args, watch=watch, forked=self.quick)


def check_same(theirs: str, ours: str) -> None:
    """Make sure that two files of scores agree, as far as the first one goes."""
    first, second = (pd.read_parquet(file).sort_index() for file in (theirs, ours))
    second = second.loc[: first.index[-1][0]]
    if not first.index.equals(second.index):
        raise SystemExit("the two sides give scores for other rows: the times mean nothing")
    check_close(first, second)


def check_close(theirs: Any, ours: Any) -> None:
    """Make sure that the numbers of the two sides agree.

    With one thread they are the same to the bit; a ridge of many rows of 32-bit floats depends in
    its last digits on how many threads add them up.
    """
    if not np.allclose(theirs, ours, atol=1e-4, equal_nan=True):
        apart = np.nanmax(np.abs(np.asarray(theirs) - np.asarray(ours)))
        raise SystemExit(
            f"the two sides give other numbers (up to {apart:.2g} apart): the times mean nothing"
        )
