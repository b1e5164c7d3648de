"""What a model's ``predict`` gives, made into the predictions that are kept, or refused."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd

from wf_dagster.calendars import split_segment
from wf_dagster.errors import RecordError
from wf_dagster.moments import Moments, format_moment

_log = logging.getLogger(__name__)

ROWS = ["datetime", "instrument"]
_REMEDY = "pd.Series(values, index=features.index, name='score')"


def check_pred(pred: Any, model: str) -> pd.DataFrame:
    """Predictions as a sorted frame with the column ``score``.

    Rows in another order, unnamed or with the instrument first are put right, where one level
    holds days and the other does not. Infinite scores become NaN; the log counts them.

    Args:
        pred: What a model's ``predict`` gave: a series, or a frame with ``score`` or one column.
        model: Name of the model, for messages.

    Raises:
        RecordError: They cannot be used; the message says why.
    """
    if isinstance(pred, pd.Series):
        pred = pred.to_frame("score")
    if not isinstance(pred, pd.DataFrame):
        raise RecordError(
            f"{model}.predict gave {_describe(pred)}: it must give a pandas Series with rows "
            f"(datetime, instrument), such as {_REMEDY} with the features that it predicts from"
        )
    if "score" not in pred.columns:
        if pred.shape[1] != 1:
            raise RecordError(
                f"{model}.predict gave the columns {list(pred.columns)[:5]}: call one of them "
                "'score'"
            )
        pred = pred.set_axis(["score"], axis=1)
    if pred.empty:
        raise RecordError(
            f"{model}.predict gave no predictions: has the test segment any session with prices?"
        )
    pred = _put_rows_right(pred, model)
    pred = _put_scores_right(pred, model)
    if not pred.index.is_unique:
        day, instrument = pred.index[pred.index.duplicated()][0]
        raise RecordError(f"{model}.predict gave the row {format_moment(day)} {instrument} twice")
    in_order: pd.DataFrame = pred if pred.index.is_monotonic_increasing else pred.sort_index()
    return in_order


def check_rows(pred: pd.DataFrame, labels: pd.Index, dataset: Any, model: str) -> None:
    """Compare the rows of predictions with those of the test segment.

    Rows without a prediction are counted in the log.

    Args:
        pred: What :func:`check_pred` gave.
        labels: The rows of the segment's labels.
        dataset: Its ``segments`` say from when to when the segment goes, if it has them.
        model: Name of the model, for messages.

    Raises:
        RecordError: There are predictions before or after the segment: the model may have learnt
            from these rows.
    """
    segments = getattr(dataset, "segments", None)
    if isinstance(segments, dict) and "test" in segments:
        days = _naive(pred.index.get_level_values("datetime"))
        outside = np.ones(len(days), dtype=bool)
        outside[Moments.of(days).range(*split_segment(segments["test"]))] = False
        if outside.any():
            raise RecordError(
                f"{model}.predict gave {int(outside.sum())} of {len(days)} rows outside of the "
                f"test segment, the first on {format_moment(days[outside][0])}: predict(dataset, "
                "segment='test') is to give the rows of dataset.prepare(segment, "
                "col_set='feature') alone"
            )
    if list(labels.names) == ROWS and (missing := ~labels.isin(pred.index)).any():
        _log.warning(
            "%s gave no score for %d of %d rows of the test segment, the first %s",
            model,
            int(missing.sum()),
            len(labels),
            f"{format_moment(labels[missing][0][0])} {labels[missing][0][1]}",
        )


def _naive(days: pd.Index) -> pd.DatetimeIndex:
    stamps = pd.DatetimeIndex(days)
    return stamps if stamps.tz is None else stamps.tz_localize(None)


def _describe(pred: Any) -> str:
    shape = getattr(pred, "shape", None)
    return f"a {type(pred).__name__}" + ("" if shape is None else f" of shape {tuple(shape)}")


def _put_rows_right(pred: pd.DataFrame, model: str) -> pd.DataFrame:
    """Rows ``(datetime, instrument)``, if it is plain which level holds the days."""
    index = pred.index
    if isinstance(index, pd.MultiIndex) and index.nlevels == 2:
        names = list(index.names)
        is_day = [pd.api.types.is_datetime64_any_dtype(level.dtype) for level in index.levels]
        if names == ROWS and is_day[0]:
            return pred
        if sorted(map(str, names)) == sorted(ROWS):
            position = names.index("datetime")
        elif is_day.count(True) == 1 and not set(names) & set(ROWS):
            position = is_day.index(True)
        else:
            position = None
        if position is not None:
            rows = index if position == 0 else index.swaplevel()
            if not is_day[position]:
                rows = _read_days(rows, model)
            return pred.set_axis(rows.set_names(ROWS), axis=0)
    raise RecordError(
        f"{model}.predict gave rows named {list(index.names)}: they must be {ROWS}, as in the "
        f"features it was given: {_REMEDY}"
    )


def _read_days(rows: pd.MultiIndex, model: str) -> pd.MultiIndex:
    days = rows.levels[0]
    try:
        if days.dtype.kind not in "OU":
            raise ValueError(f"they are {days.dtype}")
        stamps: Any = pd.DatetimeIndex(days)
    except (TypeError, ValueError) as error:
        raise RecordError(
            f"{model}.predict gave rows whose level 'datetime' holds no days, such as "
            f"{days.tolist()[0]!r} ({error}): keep the index of the features it was given: "
            f"{_REMEDY}"
        ) from None
    return rows.set_levels(stamps, level=0)


def _put_scores_right(pred: pd.DataFrame, model: str) -> pd.DataFrame:
    score = pred["score"]
    try:
        if pd.api.types.is_complex_dtype(score.dtype):
            raise ValueError("they are complex")
        values = score.to_numpy(dtype="float64", na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise RecordError(
            f"{model}.predict gave scores that are no numbers, such as {score.iloc[0]!r} "
            f"({error}): a score is a number, greater for what is to be bought first"
        ) from None
    finite = np.isfinite(values)
    if not finite.any():
        raise RecordError(
            f"all {len(pred)} predictions of {model} are NaN or infinite: look at the features of "
            "the test segment for gaps"
        )
    infinite = int(np.isinf(values).sum())
    if infinite:
        _log.warning(
            "%d of %d predictions of %s are infinite: they are kept as missing",
            infinite,
            len(values),
            model,
        )
        return pred.assign(score=np.where(finite, values, np.nan))
    is_plain = isinstance(score.dtype, np.dtype) and score.dtype.kind in "iuf"
    return pred if is_plain else pred.assign(score=values)
