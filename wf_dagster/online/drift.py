"""How far the scores of today are from those of the train segment."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import chi2
from typing_extensions import Self

from wf_dagster.errors import RecordError
from wf_dagster.online.quality import Finding
from wf_dagster.records.analysis import first_column

BINS = 10
CHANCE = 0.001  # how often a small sample of the very same scores may be taken for a drift
_POINTS = 201


@dataclass(frozen=True)
class Reference:
    """The distribution of a model's scores on its train segment, small enough to keep.

    Attributes:
        rows: Scores it was made of.
        edges: Scores that part the bins.
        shares: Share of the train scores in each bin: one more than edges.
        quantiles: Scores at equidistant probabilities from 0 to 1.
    """

    rows: int
    edges: tuple[float, ...]
    shares: tuple[float, ...]
    quantiles: tuple[float, ...]

    @classmethod
    def of(cls, scores: Iterable[float]) -> Self:
        """The reference of scores; NaN and infinite ones are left out.

        Raises:
            RecordError: None is left.
        """
        values = _finite(scores)
        if not len(values):
            raise RecordError("the model gives no finite score on its train segment")
        quantiles = np.quantile(values, np.linspace(0, 1, _POINTS))
        # ties (a tree's scores) make bins of unequal share, so the shares are kept
        edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1]))
        shares = _counts(values, edges) / len(values)
        return cls(
            len(values), tuple(edges.tolist()), tuple(shares.tolist()), tuple(quantiles.tolist())
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
            given = json.loads(text)
            parts = {n: tuple(map(float, given[n])) for n in ("edges", "shares", "quantiles")}
            return cls(rows=int(given["rows"]), **parts)
        except (KeyError, TypeError) as error:
            raise ValueError(f"no distribution of scores: {error!r}") from None


def score_drift(
    pred: pd.DataFrame | pd.Series, reference: Reference, sessions: int = 20, limit: float = 0.25
) -> Finding:
    """The population stability index of the latest scores is within a limit.

    A few scores differ from many by chance alone: their index is about
    ``(1/n + 1/m) * chi2(bins - 1)``, so a small sample has a limit that chance exceeds once in a
    thousand times, if that is higher.

    Args:
        pred: Scores, rows ``(datetime, instrument)``.
        reference: Those of the train segment.
        sessions: The latest sessions that count.
        limit: The highest index that passes (no unit); 0.25 is commonly taken for a shift.
    """
    scores = first_column(pred)
    days = scores.index.unique("datetime").sort_values()[-sessions:]
    latest = _finite(scores[scores.index.get_level_values("datetime").isin(days)])
    if not len(latest):
        return Finding(True, "not judged: there are no scores yet")
    psi = _psi(latest, reference)
    chance = float(chi2.ppf(1 - CHANCE, max(len(reference.edges), 1)))
    limit = max(limit, chance * (1 / len(latest) + 1 / reference.rows))
    numbers = {
        "psi": psi,
        "psi_limit": limit,
        "ks": _ks(latest, reference),
        "sessions": len(days),
        "scores": len(latest),
        "train_scores": reference.rows,
    }
    said = f"PSI {psi:.3f} of the last {len(days)} sessions against the train segment"
    if psi <= limit:
        return Finding(True, said, numbers)
    return Finding(
        False, f"{said} is above {limit:.3f}: look at the features, or train anew", numbers
    )


def _psi(values: npt.NDArray[np.float64], reference: Reference) -> float:
    """Half a score is added to each bin: an empty one would make it infinite."""
    bins = len(reference.shares)
    now = (_counts(values, np.array(reference.edges)) + 0.5) / (len(values) + 0.5 * bins)
    then = (np.array(reference.shares) * reference.rows + 0.5) / (reference.rows + 0.5 * bins)
    return float(np.sum((now - then) * np.log(now / then)))


def _ks(values: npt.NDArray[np.float64], reference: Reference) -> float:
    """Largest distance of the distributions, to within one step of the kept quantiles."""
    points = np.array(reference.quantiles)
    levels = np.linspace(0, 1, len(points))
    tops, places = np.unique(points[::-1], return_index=True)  # of ties the highest level
    then = levels[::-1][places]
    now = np.searchsorted(np.sort(values), tops, side="right") / len(values)
    return float(np.abs(now - then).max())


def _counts(
    values: npt.NDArray[np.float64], edges: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    places = np.searchsorted(edges, values, side="left")
    return np.bincount(places, minlength=len(edges) + 1).astype("float64")


def _finite(scores: Iterable[float]) -> npt.NDArray[np.float64]:
    values = np.asarray(scores, dtype="float64")
    kept: npt.NDArray[np.float64] = values[np.isfinite(values)]
    return kept
