"""How far the scores of today are from those of the train segment.

The population stability index (PSI) of a few sessions is large without any drift: scores of a day
and of the day after are alike, so twenty sessions are far fewer than twenty samples. What is usual
is therefore measured on the train segment itself, on its own stretches of as many sessions.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from typing_extensions import Self

from wf_dagster.errors import RecordError
from wf_dagster.online.quality import Finding
from wf_dagster.records.analysis import first_column

BINS = 10
LENGTHS = (1, 5, 10, 20, 60)  # sessions of the stretches that are compared
_POINTS = 201

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Reference:
    """The distribution of a model's scores on its train segment, small enough to keep.

    Attributes:
        rows: Scores it was made of.
        edges: Scores that part the bins.
        shares: Share of the train scores in each bin: one more than edges.
        quantiles: Scores at equidistant probabilities from 0 to 1.
        usual: ``(sessions, psi)``: the highest index of a stretch of the train segment that is as
            long, against the whole of it.
    """

    rows: int
    edges: tuple[float, ...]
    shares: tuple[float, ...]
    quantiles: tuple[float, ...]
    usual: tuple[tuple[int, float], ...]

    @classmethod
    def of(cls, scores: pd.DataFrame | pd.Series) -> Self:
        """The reference of scores; NaN and infinite ones are left out.

        Args:
            scores: Rows ``(datetime, instrument)``.

        Raises:
            RecordError: None is left.
        """
        values, days = _finite(scores)
        if not len(values):
            raise RecordError("the model gives no finite score on its train segment")
        quantiles = np.quantile(values, np.linspace(0, 1, _POINTS))
        # ties (a tree's scores) make bins of unequal share, so the shares are kept
        edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1]))
        counts = _counts(values, days, edges)
        shares = counts.sum(axis=0) / len(values)
        usual = [
            (length, float(_psi(_stretches(counts, length), shares, len(values)).max()))
            for length in LENGTHS
            if length == 1 or 2 * length <= len(counts)
        ]
        return cls(
            rows=len(values),
            edges=tuple(edges.tolist()),
            shares=tuple(shares.tolist()),
            quantiles=tuple(quantiles.tolist()),
            usual=tuple(usual),
        )

    def to_json(self) -> str:
        """The text that is kept."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The reference that a text holds.

        Raises:
            ValueError: It is no such text.
        """
        try:
            values = json.loads(text)
            parts = {n: tuple(map(float, values[n])) for n in ("edges", "shares", "quantiles")}
            usual = tuple((int(length), float(psi)) for length, psi in values["usual"])
            return cls(rows=int(values["rows"]), usual=usual, **parts)
        except (KeyError, TypeError) as error:
            raise ValueError(f"no distribution of scores: {error!r}") from None


def score_drift(
    pred: pd.DataFrame | pd.Series, reference: Reference, sessions: int = 20, limit: float = 0.25
) -> Finding:
    """The population stability index of the latest scores is within a limit.

    Args:
        pred: Scores, rows ``(datetime, instrument)``.
        reference: Those of the train segment.
        sessions: The latest sessions that count. Of 1, 5, 10, 20 and 60 the longest stretch that
            is there, and no longer than this, is compared.
        limit: The highest index that passes (no unit); 0.25 is commonly taken for a shift. Where
            stretches of the train segment itself had a higher one, theirs is the limit.
    """
    values, days = _finite(pred)
    if not len(values):
        return Finding(True, "not judged: there are no scores yet")
    available = min(sessions, int(days[-1]) + 1)
    length, usual = max(stretch for stretch in reference.usual if stretch[0] <= available)
    latest = days > days[-1] - length
    values, days = values[latest], days[latest] - days[latest][0]
    counts = _counts(values, days, np.array(reference.edges)).sum(axis=0, keepdims=True)
    psi = float(_psi(counts, np.array(reference.shares), reference.rows)[0])
    numbers = {
        "psi": psi,
        "psi_limit": max(limit, usual),
        "psi_usual": usual,
        "ks": _ks(values, reference),
        "sessions": length,
        "scores": len(values),
        "train_scores": reference.rows,
    }
    sentence = f"PSI {psi:.3f} of the last {length} sessions against the train segment"
    if psi <= max(limit, usual):
        return Finding(True, sentence, numbers)
    return Finding(
        False,
        f"{sentence} is above {limit:.3f} and above {usual:.3f}, the highest within the train "
        "segment: look at the features, or train anew",
        numbers,
    )


def _psi(counts: Floats, shares: Floats, rows: int) -> Floats:
    """The index of each row of counts; half a score more a bin, or an empty one were infinite."""
    bins = len(shares)
    now = (counts + 0.5) / (counts.sum(axis=1, keepdims=True) + 0.5 * bins)
    then = (shares * rows + 0.5) / (rows + 0.5 * bins)
    index: Floats = np.sum((now - then) * np.log(now / then), axis=1)
    return index


def _ks(values: Floats, reference: Reference) -> float:
    """Largest distance of the distributions, to within one step of the kept quantiles."""
    points = np.array(reference.quantiles)
    levels = np.linspace(0, 1, len(points))
    tops, places = np.unique(points[::-1], return_index=True)  # of ties the highest level
    then = levels[::-1][places]
    now = np.searchsorted(np.sort(values), tops, side="right") / len(values)
    return float(np.abs(now - then).max())


def _counts(values: Floats, days: npt.NDArray[np.int64], edges: Floats) -> Floats:
    """How many scores of each day (rows) are in each bin (columns)."""
    bins = len(edges) + 1
    cells = days * bins + np.searchsorted(edges, values, side="left")
    return np.bincount(cells, minlength=(int(days[-1]) + 1) * bins).reshape(-1, bins).astype(float)


def _stretches(counts: Floats, length: int) -> Floats:
    whole = len(counts) // length * length
    sums: Floats = counts[-whole:].reshape(-1, length, counts.shape[1]).sum(axis=1)
    return sums


def _finite(scores: pd.DataFrame | pd.Series) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Scores that are numbers, and the place of the day of each, in the order of days."""
    column = first_column(scores)
    values = column.to_numpy(dtype="float64", na_value=np.nan)
    is_finite = np.isfinite(values)
    values = values[is_finite]
    days = pd.factorize(column.index.get_level_values("datetime")[is_finite], sort=True)[0]
    order = np.argsort(days, kind="stable")
    return values[order], days[order].astype("int64")
