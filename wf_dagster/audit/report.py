"""The report of an audit, as text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from wf_dagster.audit.audited_part import FAILED, NOT_TESTED, AuditedPart
from wf_dagster.data.same_values import TOLERANCE

_WIDTH = 100
_LINE = "{:<12} {:<11} {:>6} {:>12} {:>14} {:>10}"
_METHOD = (
    "Prices after a date were replaced: each number of each later row by a random one between a "
    "fifth and five times its value, and a tenth of the later rows left out. What a strategy "
    "computes for that date and before must not change by it. Each roll is compared at the first "
    "session of its test window, when its model is fitted, and at one in the middle of it. "
    "Features, labels and processed values are compared as numbers "
    f"(to {TOLERANCE:.0e} of the value and of what is usual in its column); what differs is "
    "compared once more with the later rows left out alone. Processors are fitted anew on either "
    "prices; predictions are compared with the models that the recorders hold; "
    "signals with the models that sent them."
)


@dataclass(frozen=True)
class AuditReport:
    """What an audit of a strategy gave.

    Attributes:
        strategy: Its name.
        experiment: Its MLflow experiment.
        market: What it stands on, in words.
        first: The first session with prices.
        last: The last one.
        rolls: Keys of the rolls that were compared.
        of_rolls: How many there are that have begun.
        parts: What was compared.
        made_at: When.
        seconds: How long it took.
    """

    strategy: str
    experiment: str
    market: str
    first: pd.Timestamp
    last: pd.Timestamp
    rolls: Sequence[str]
    of_rolls: int
    parts: Sequence[AuditedPart]
    made_at: pd.Timestamp
    seconds: float

    @property
    def failed(self) -> list[str]:
        """Names of the parts in which later prices show."""
        return [part.name for part in self.parts if part.verdict == FAILED]

    @property
    def untested(self) -> list[str]:
        """Names of the parts that were not tested."""
        return [part.name for part in self.parts if part.verdict == NOT_TESTED]

    @property
    def verdict(self) -> str:
        """What is to be said of the strategy, in a sentence."""
        if self.failed:
            return f"Later prices change what the strategy computes: {', '.join(self.failed)}."
        if len(self.untested) == len(self.parts):
            return "Nothing could be tested."
        rest = f" Not tested: {', '.join(self.untested)}." if self.untested else ""
        in_part = [p.name for p in self.parts if p.missing and p.name not in self.untested]
        rest += f" Tested in part: {', '.join(in_part)}." if in_part else ""
        return f"No later price changes anything that was compared.{rest}"

    def text(self) -> str:
        """The report, lines of at most 100 signs where values allow it."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"AUDIT FOR LOOK-AHEAD: strategy {self.strategy}"
        yield ""
        yield f"Made         {self.made_at:%Y-%m-%d %H:%M} UTC, in {self.seconds:.0f} s"
        yield f"Experiment   {self.experiment}"
        yield f"Prices       {self.market}, {self.first:%Y-%m-%d} to {self.last:%Y-%m-%d}"
        yield from _wrap(
            "Rolls        ", f"{len(self.rolls)} of {self.of_rolls}: {', '.join(self.rolls)}"
        )
        common = _dates(self.parts[0]) if self.parts else ""
        if common:
            yield from _wrap("Dates        ", common)
        yield ""
        yield from _wrap("Method       ", _METHOD)
        yield ""
        yield _LINE.format("part", "verdict", "dates", "rows", "values", "differing")
        for part in self.parts:
            yield _LINE.format(
                part.name,
                part.verdict,
                len(part.dates),
                f"{part.rows:,}",
                f"{part.values:,}",
                f"{part.differing:,}",
            )
        for part in self.parts:
            yield ""
            yield from _describe(part, common)
        yield ""
        yield f"VERDICT      {self.verdict}"


def _describe(part: AuditedPart, common: str) -> Iterator[str]:
    yield from _wrap(f"{part.name:<12} ", f"{part.question} {part.verdict.upper()}.")
    if part.dates and _dates(part) != common:
        yield from _wrap("  dates      ", _dates(part))
    if part.columns:
        since = (f"{name} (from {day:%Y-%m-%d} on)" for name, day in sorted(part.columns.items()))
        yield from _wrap("  columns    ", ", ".join(since))
    for example in part.examples:
        yield from _wrap("  finding    ", example)
    if part.expressions:
        yield from _wrap("  read       ", f"expressions of {', '.join(part.expressions)}")
    for reason, items in part.missing.items():
        yield from _wrap("  not tested ", f"{', '.join(items)}: {reason}")
    for note in part.notes:
        yield from _wrap("  note       ", note)


def _dates(part: AuditedPart) -> str:
    return ", ".join(f"{day:%Y-%m-%d}" for day in sorted(part.dates))


def _wrap(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=label,
        subsequent_indent=" " * len(label),
        break_on_hyphens=False,
        break_long_words=False,
    )
