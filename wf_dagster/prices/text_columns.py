"""Text in prices, such as the industry of an instrument: kept as categories, which take little."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandas.api.types import union_categoricals

from wf_dagster.errors import DataError

_CODE = re.compile(r"0[0-9]+")
# what is a number wherever it is there: text in one of them is a damaged export
_NUMBERS = ("open", "high", "low", "close", "volume", "vwap", "factor", "amount", "change")


def to_numbers(column: pd.Series) -> pd.Series:
    """The numbers of a column; NaN where a value is none."""
    if isinstance(column.dtype, pd.CategoricalDtype):  # each category once
        numbers = pd.to_numeric(pd.Series(column.cat.categories), errors="coerce").to_numpy()
        codes = column.cat.codes.to_numpy()
        values = np.where(codes < 0, np.nan, numbers[codes] if len(numbers) else np.nan)
        return pd.Series(values, index=column.index, name=column.name)
    return pd.to_numeric(column, errors="coerce")


def holds_codes(column: pd.Series) -> bool:
    """Whether texts are codes with zeros in front, such as ``"02"``, which numbers do not keep."""
    if column.name in _NUMBERS:
        return False
    try:  # millions of texts in no time
        texts = pa.array(column, pa.string(), from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # not all of them are texts
        return any(map(_is_code, column))
    return bool(pc.any(pc.match_substring_regex(texts, rf"^{_CODE.pattern}$")).as_py())


def _is_code(value: object) -> bool:
    return isinstance(value, str) and _CODE.fullmatch(value) is not None


def to_text(column: pd.Series, is_number: pd.Series) -> pd.Series | None:
    """A column as categories; ``None`` where it is one of numbers.

    A column without any number is text; so is one that is of categories already and not all of
    them are numbers, and one of codes such as ``"02"``. An empty text is missing.

    Args:
        column: As it was read.
        is_number: Whether each value is one, where there is a value.
    """
    if column.name in _NUMBERS or not _may_hold_text(column):
        return None
    is_text = column.notna() & (column != "")
    if not is_text.any():
        return None
    if is_number[is_text].all():
        if not _holds_codes_alone(column):
            return None
    elif is_number[is_text].any() and not isinstance(column.dtype, pd.CategoricalDtype):
        return None
    text = column.where(is_text).astype("category").cat.remove_unused_categories()
    return text.cat.rename_categories([str(value) for value in text.cat.categories])


def _holds_codes_alone(column: pd.Series) -> bool:
    values = pd.Series(column.cat.categories) if hasattr(column, "cat") else column.dropna()
    return holds_codes(values) and all(isinstance(value, str) for value in values)


def _may_hold_text(column: pd.Series) -> bool:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.categories.dtype == object
    return column.dtype == object or isinstance(column.dtype, pd.StringDtype)


def _with_codes(frame: pd.DataFrame, field: str) -> pd.DataFrame:
    """A frame whose whole numbers in a column are the codes that they were before: "15"."""
    if field not in frame.columns or hasattr(frame[field], "cat"):
        return frame
    numbers = frame[field]
    if not (numbers.dropna() % 1 == 0).all():
        return frame
    texts = numbers.map(lambda number: None if pd.isna(number) else str(int(number)))
    return frame.assign(**{field: texts.astype("category")})


def join_frames(frames: Sequence[pd.DataFrame], place: str) -> pd.DataFrame:
    """Frames of prices below one another: the categories of a text column are those of all.

    Args:
        frames: Checked tables.
        place: Where they are from, for messages.

    Raises:
        DataError: A column is text in one and numbers in another.
    """
    texts = {
        field
        for frame in frames
        for field in frame.columns
        if isinstance(frame[field].dtype, pd.CategoricalDtype)
    }
    for field in sorted(texts):
        parts = [frame[field] for frame in frames if field in frame.columns]
        if any(_holds_codes_alone(part) for part in parts if hasattr(part, "cat")):
            frames = [_with_codes(frame, field) for frame in frames]
            parts = [frame[field] for frame in frames if field in frame.columns]
        for part in parts:
            if not isinstance(part.dtype, pd.CategoricalDtype) and part.notna().any():
                value = part.dropna().iloc[0]
                raise DataError(
                    f"{place}: {field} is text in one file and {value} in another: write it as "
                    "text, or as numbers, in all of them"
                )
        of_all = union_categoricals(
            [part for part in parts if isinstance(part.dtype, pd.CategoricalDtype)],
            sort_categories=True,
        ).dtype
        frames = [
            frame.astype({field: of_all}) if field in frame.columns else frame for frame in frames
        ]
    return pd.concat(frames)
