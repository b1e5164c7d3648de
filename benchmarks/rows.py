"""The rows of the comparison: what is measured, how much of it, and what is to be reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from benchmarks import backfill, collect, online, rolls
from benchmarks.bench import Bench, Figures, Size


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        title: What is done; it may name fields of the size.
        measure: Measures it.
        size: How much.
        quick: How much in a test.
        faster: How many times faster than Qlib this project is to be.
        most: What this project is to stay below, where that is the aim instead.
        unit: Of the figures.
    """

    title: str
    measure: Callable[[Bench, Any], Figures]
    size: Size
    quick: Size
    faster: float = 0.0
    most: float = 0.0
    unit: str = "s"

    def job(self) -> str:
        """The title with its figures."""
        return self.title.format(**vars(self.size))


_LARGE = rolls.Rolls(300, 2000, 40)
_TINY = rolls.Rolls(3, 220, 2)

ROWS = {
    "ridge": Row(
        "{rolls} rolls, {instruments} instruments × {days:,} days, Alpha158 + ridge, `TrainerR`",
        rolls.fresh,
        rolls.Rolls(50, 1200, 20),
        _TINY,
        faster=12,
    ),
    "lightgbm": Row(
        "the same with LightGBM, 60 rounds",
        rolls.fresh,
        rolls.Rolls(50, 1200, 20, "lightgbm"),
        replace(_TINY, model="lightgbm"),
        faster=5,
    ),
    "cached": Row(
        "{rolls} rolls, {instruments} instruments × {days:,} days, ridge; "
        "Qlib with its handler cached to a file, both warm",
        rolls.warm,
        _LARGE,
        _TINY,
        faster=2.5,
    ),
    "uncached": Row(
        "the same, nothing cached",
        rolls.fresh,
        replace(_LARGE, by_qlib=2),
        replace(_TINY, by_qlib=1),
        faster=15,
    ),
    "overhead": Row(
        "a roll beyond dataset, fit and predict: {instruments} instruments, ridge, SQLite",
        rolls.overhead,
        rolls.Rolls(30, 800, 20),
        _TINY,
        most=0.060,
    ),
    "memory": Row(
        "peak memory of the process tree (PSS), {rolls} rolls, {instruments} instruments × "
        "{days:,} days, ridge, both warm",
        rolls.memory,
        _LARGE,
        _TINY,
        most=2,
        unit="copies",
    ),
    "memory-fresh": Row(
        "the same, nothing cached",
        rolls.memory_fresh,
        replace(_LARGE, by_qlib=1),
        replace(_TINY, by_qlib=1),
        most=2,
        unit="copies",
    ),
    "collect": Row(
        "collect {recorders} recorders on SQLite, {rows:,} rows each",
        collect.beside,
        collect.Collection(60, 1000),
        collect.Collection(4, 500),
        faster=6,
    ),
    "collect-many": Row(
        "collect {recorders} recorders, {rows:,} rows each, into one frame",
        collect.beside,
        collect.Collection(500, 5000),
        collect.Collection(4, 500),
        faster=6,
    ),
    "find": Row(
        "find the {online} online ones of {recorders:,} recorders on SQLite",
        online.find,
        online.Recorders(2000),
        online.Recorders(40),
        faster=20,
    ),
    "switch": Row(
        "let {online} others of {recorders:,} recorders be online",
        online.switch,
        online.Recorders(2000),
        online.Recorders(40),
        faster=20,
    ),
    "update": Row(
        "update {models} online models, {instruments} instruments",
        online.update,
        online.Models(20, 30),
        online.Models(2, 3, 260),
        faster=10,
    ),
    "update-large": Row(
        "update {models} online models, {instruments} instruments",
        online.update,
        online.Models(6, 300),
        online.Models(2, 3, 260),
        faster=4.5,
    ),
    "simulate": Row(
        "simulate {sessions} sessions, step {step}, {instruments} instruments",
        online.simulate,
        online.Simulation(120),
        online.Simulation(6, 3, 3, 220),
        faster=5,
    ),
    "backfill": Row(
        "backfill of {partitions} partitions through Dagster, in one run",
        backfill.one_run,
        backfill.Backfill(48, 4),
        backfill.Backfill(2, 1),
        faster=8,
    ),
}
