"""One part of a strategy under audit: what was compared, and what differed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from wf_dagster.data.same_values import Values, are_same, usual_sizes

_EXAMPLES = 3

PASSED, FAILED, NOT_TESTED = "passed", "FAILED", "not tested"


@dataclass
class AuditedPart:
    """What is known of one part, as it is compared date by date.

    Attributes:
        name: Of the part.
        question: What was asked, in a sentence.
        dates: The dates after which prices were changed.
        rows: Rows that were compared, each counted at each date.
        values: Values that were compared.
        differing: Values that differed.
        columns: Dates at which a column first differed, by its name.
        examples: Some values that differed, in words.
        expressions: Whose expressions were read, where prices cannot be changed.
        missing: What could not be tested, by the reason.
        notes: What else a reader should know.
    """

    name: str
    question: str
    dates: set[pd.Timestamp] = field(default_factory=set)
    rows: int = 0
    values: int = 0
    differing: int = 0
    columns: dict[str, pd.Timestamp] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)
    expressions: list[str] = field(default_factory=list)
    missing: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """``passed``, ``FAILED`` or ``not tested``."""
        if self.differing:
            return FAILED
        return PASSED if self.values or self.expressions else NOT_TESTED

    def compare(
        self,
        real: pd.DataFrame,
        altered: pd.DataFrame,
        after: pd.Timestamp,
        where: str = "",
        compute_ending: Callable[[], pd.DataFrame] | None = None,
    ) -> None:
        """Compare what should not depend on prices after a date.

        What differs is compared once more: a value that is the same without later prices does not
        need them. Other prices later on may only have moved its rounding, such as that of pandas'
        skewness and kurtosis, which take the mean of a whole series.

        Args:
            real: Computed from the prices as they are.
            altered: Computed from prices that are other ones after the date; rows that it lacks
                count as differing.
            after: The date.
            where: What the rows belong to, for examples.
            compute_ending: Computes the same from prices that end with the date.
        """
        self.dates.add(after)
        self.rows += len(real)
        self.values += real.size
        names = [str(name) for name in real.columns.get_level_values(-1)]
        before, now = (_values_like(real, frame) for frame in (real, altered))
        usual = usual_sizes(real)
        differs = ~are_same(now, before, usual)
        if differs.any() and compute_ending is not None:
            differs &= self._differs_without_later(real, usual, after, compute_ending)
        self.differing += int(differs.sum())
        for place in np.flatnonzero(differs.any(axis=0)):
            name = names[place]
            is_new = name not in self.columns
            self.columns[name] = min(after, self.columns.get(name, after))
            if is_new and len(self.examples) < _EXAMPLES:
                row = int(np.flatnonzero(differs[:, place])[-1])
                self.examples.append(
                    f"{name} of {_row(real.index[row])}{where}: {before[row, place]:.6g} with the "
                    f"prices as they are, {now[row, place]:.6g} with other prices after "
                    f"{after:%Y-%m-%d}"
                )

    def _differs_without_later(
        self,
        real: pd.DataFrame,
        usual: Values,
        after: pd.Timestamp,
        compute_ending: Callable[[], pd.DataFrame],
    ) -> Values | bool:
        try:
            ending = compute_ending()
        except Exception as error:  # a function of the user's may need more prices
            self.note(
                f"{self.name} cannot be computed from the prices up to {after:%Y-%m-%d} alone "
                f"({type(error).__name__}: {error}): what other later prices change counts"
            )
            return True
        return ~are_same(_values_like(real, ending), real.to_numpy(dtype="float64"), usual)

    def read(self, whose: str, finding: str = "") -> None:
        """Count expressions that were read in place of a comparison.

        Args:
            whose: Of what.
            finding: What looks ahead in them; empty if nothing does.
        """
        self.expressions.append(whose)
        if finding:
            self.fail(f"{whose}: {finding}")

    def fail(self, finding: str) -> None:
        """Add something that is wrong and is no difference of values."""
        self.differing += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(finding)

    def miss(self, reason: str, what: str) -> None:
        """Add something that could not be tested."""
        self.missing.setdefault(reason, []).append(what)

    def note(self, text: str) -> None:
        """Add a note, once."""
        if text not in self.notes:
            self.notes.append(text)


def _values_like(real: pd.DataFrame, frame: pd.DataFrame) -> Values:
    """Values with the rows and columns of what they are compared with; NaN where they lack some."""
    if not frame.index.equals(real.index):
        frame = frame.reindex(real.index)
    if not frame.columns.equals(real.columns):
        frame = frame.reindex(columns=real.columns)
    values: Values = frame.to_numpy(dtype="float64")
    return values


def _row(row: Any) -> str:
    day, *names = row if isinstance(row, tuple) else (row,)
    return " ".join([*(str(name) for name in names), f"on {day:%Y-%m-%d}"])
