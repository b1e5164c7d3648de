"""What the adapters share: frames in, scores out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd

from wf_dagster.errors import DataError


def learning_arrays(
    dataset: Any, segment: str
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Features and labels of a segment for learning; rows without a label are left out.

    Raises:
        DataError: No row is left.
    """
    frame = dataset.prepare(segment, col_set=["feature", "label"], data_key="learn")
    features = frame["feature"].to_numpy()
    label = frame["label"].to_numpy()[:, 0]
    known = ~np.isnan(label)
    if not known.any():
        raise DataError(
            f"segment {segment} has no row with a label: it may be too close to the last session, "
            "or the processors drop every row"
        )
    return (features, label) if known.all() else (features[known], label[known])


@contextmanager
def gaps_explained(dataset: Any, segment: Any, data_key: str) -> Iterator[None]:
    """Turn a model's refusal of features without a value into one that names them.

    Raises:
        DataError: The model raised ``ValueError``, and features of the segment have no value.
    """
    try:
        yield
    except ValueError as error:
        features = dataset.prepare(segment, col_set="feature", data_key=data_key)
        gaps = features.isna().sum()
        gaps = gaps[gaps > 0].sort_values(ascending=False)
        if gaps.empty:
            raise
        named = ", ".join(f"{name} ({count} rows)" for name, count in gaps.head(3).items())
        more = f" and {len(gaps) - 3} more" if len(gaps) > 3 else ""
        raise DataError(
            f"segment {segment} has features without a value, which the model does not take: "
            f"{named}{more}; add the processor Fillna to infer_processors, or start the segment "
            "where the feature windows are full"
        ) from error


def scores(features: pd.DataFrame, values: Any) -> pd.Series:
    """Predictions as a series ``score`` with the rows of the features."""
    return pd.Series(np.asarray(values, dtype="float64"), index=features.index, name="score")


def inference_features(dataset: Any, segment: Any) -> pd.DataFrame:
    """Features of a segment for inference."""
    frame: pd.DataFrame = dataset.prepare(segment, col_set="feature", data_key="infer")
    return frame
