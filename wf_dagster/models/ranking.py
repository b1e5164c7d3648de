"""Learning to rank: the rows of a session are one group, their labels grades of relevance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from wf_dagster.errors import DataError, TaskError
from wf_dagster.models.learning_rows import Array, LearningRows

MOST_GRADES = 31  # LightGBM's and XGBoost's gains are powers of two of the grade


def check_grades(grades: Any, is_ranking: bool, name: str) -> None:
    """Check the number of grades that labels are to be cut into.

    Raises:
        TaskError: It is no such number, or nothing is ranked.
    """
    if grades is None:
        return
    if not is_ranking:
        raise TaskError(
            f"model.kwargs.relevance_grades is {grades!r}, but {name} does not learn to rank: "
            "leave it out, or use LightGBM's 'lambdarank' or a ranker"
        )
    if type(grades) is not int or not 2 <= grades <= MOST_GRADES:
        raise TaskError(
            f"model.kwargs.relevance_grades is {grades!r}: use a whole number from 2 to "
            f"{MOST_GRADES}"
        )


def to_groups(
    rows: LearningRows, segment: str, grades: int | None, name: str, needs_grades: bool = True
) -> tuple[LearningRows, Array]:
    """Rows sorted by session, with grades as labels, and the number of rows of each session.

    Args:
        rows: What is to be learnt.
        segment: Where it is from, for messages.
        grades: Cut the labels of each session into so many grades of equal size, 0 the lowest;
            ``None`` takes them as they are.
        name: Name of the model, for messages.
        needs_grades: Labels have to be grades; ``False`` if any number does.

    Raises:
        DataError: Labels are no grades, or no session has two rows.
    """
    rows = rows.by_day()
    days = rows.days
    _, sizes = np.unique(days.to_numpy(), return_counts=True)
    if sizes.max() < 2:
        raise DataError(
            f"no session of segment {segment} has two rows: {name} learns to rank the instruments "
            "of a session; use more instruments or another objective"
        )
    if grades is not None:
        rows = replace(rows, labels=cut_into_grades(rows.labels, days, grades))
    elif needs_grades:
        _check_labels(rows.labels, segment, name)
    return rows, sizes


def cut_into_grades(labels: Array, days: pd.Index, grades: int) -> Array:
    """Grades from 0 to ``grades - 1``: of each session about as many rows a grade.

    Equal labels of a session get the same grade: with ``r`` the mean rank among ``n``,
    ``floor(grades * (r - 0.5) / n)``.
    """
    by_day = pd.Series(labels.astype("float64")).groupby(days.to_numpy())
    share = (by_day.rank() - 0.5) / by_day.transform("size")
    return np.asarray(np.floor(share.to_numpy() * grades).clip(0, grades - 1))


def takes_any_label(ranker: Any) -> bool:
    """Whether an estimator with groups learns numbers of any kind, not grades of relevance."""
    objective = str(getattr(ranker, "objective", None) or "")
    names = {kind.__name__ for kind in type(ranker).__mro__}
    ranks_grades = {"LGBMRanker", "XGBRanker"} & names or "rank" in objective or "ndcg" in objective
    return not ranks_grades or objective == "rank:pairwise"


def _check_labels(labels: Array, segment: str, name: str) -> None:
    values = labels.astype("float64")
    wrong = (values != np.floor(values)) | (values < 0)
    if wrong.any():
        raise DataError(
            f"{name} learns to rank grades of relevance, whole numbers from 0 up, but "
            f"{int(wrong.sum())} of {len(values)} labels of segment {segment} are none, such as "
            f"{values[wrong][0]:.6g}: model.kwargs.relevance_grades=5 cuts the labels of each "
            "session into five grades, or use a label function that gives grades"
        )
