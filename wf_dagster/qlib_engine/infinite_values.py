"""Infinite values in Qlib's data: they stay, as the numbers are to be Qlib's, but not unseen."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd
from qlib.data.dataset import processor as qlib_processors

from wf_dagster.log_once import warn_once

_log = logging.getLogger(__name__)
# one infinite value changes or empties what else is in its column, or of its day
_SPREADING = (
    qlib_processors.ZScoreNorm,
    qlib_processors.MinMaxNorm,
    qlib_processors.CSZScoreNorm,
)
_LISTED = 8


def warn_before(frame: Any, processor: Any) -> None:
    """Say where infinite values reach a processor that spreads them.

    Args:
        frame: What the processor is given.
        processor: One of Qlib's.
    """
    if isinstance(processor, _SPREADING):
        group = processor.fields_group  # CSZScoreNorm makes a list of it
        _warn(frame, group if isinstance(group, list) else [group], type(processor).__name__)


def warn_of_rest(frame: Any) -> None:
    """Say where infinite values are left when all processors have run.

    Args:
        frame: What a model is given for inference.
    """
    _warn(frame, [None], "the model")


def _warn(frame: Any, groups: list[Any], reached: str) -> None:
    if not isinstance(frame, pd.DataFrame):
        return
    counts: dict[str, int] = {}
    columns: list[Any] = list(frame.columns)
    for number, (column, dtype) in enumerate(zip(columns, frame.dtypes, strict=True)):
        if dtype.kind != "f" or not (None in groups or column[0] in groups):
            continue
        if count := int(np.isinf(frame.iloc[:, number].to_numpy()).sum()):
            name = " ".join(map(str, column)) if isinstance(column, tuple) else str(column)
            counts[name] = count
    if counts:
        largest = sorted(counts, key=counts.__getitem__, reverse=True)
        listed = ", ".join(f"{name} {counts[name]}" for name in largest[:_LISTED])
        more = f" and {len(counts) - _LISTED} more columns" if len(counts) > _LISTED else ""
        warn_once(
            _log,
            f"infinite values reach {reached}: {listed}{more}, of {len(frame)} rows each; the "
            "numbers are left as Qlib has them: put {'class': 'ProcessInf'} first in the handler's "
            "infer_processors, or mend the expression",
        )
