"""What the adapters share when they predict: frames in, scores out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from wf_dagster.errors import DataError


def explain_refusal(features: pd.DataFrame, segment: Any, error: ValueError) -> ValueError:
    """What to raise when an estimator refuses features: it says where they have no number."""
    infinite = (~np.isfinite(features.to_numpy())).sum(axis=0)
    if not infinite.any():
        return error
    columns = [
        f"{name} ({count} of {len(features)} rows)"
        for name, count in zip(features.columns, infinite, strict=True)
        if count
    ]
    listed = ", ".join(columns[:5]) + (f" and {len(columns) - 5} more" if columns[5:] else "")
    return DataError(
        f"segment {segment} has features without a finite value, which the model does not take: "
        f"{listed}; put {{'class': 'Fillna'}} last in infer_processors (or DropnaProcessor in "
        "learn_processors), or start the segment later"
    )


def to_scores(
    features: pd.DataFrame, values: Any, model: str, output: int | None = None
) -> pd.Series:
    """Predictions as a series ``score`` with the rows of the features.

    Args:
        features: What was predicted from.
        values: A number a row, of shape ``(rows,)`` or ``(rows, 1)``.
        model: Name of whoever predicted, for messages.
        output: Position of the column that is asked for, where there are several.

    Raises:
        DataError: There is not one number a row.
    """
    try:
        scores = np.asarray(values, dtype="float64")
    except (TypeError, ValueError, RuntimeError):
        raise DataError(
            f"{model}.predict gave a {type(values).__name__} that holds no plain numbers: it must "
            "give an array with a number a row"
        ) from None
    if scores.ndim == 2 and scores.shape[1] == 1:
        scores = scores[:, 0]
    elif scores.ndim == 2 and output is not None:
        scores = scores[:, output]
    if scores.shape != (len(features),):
        raise DataError(
            f"{model}.predict gave an array of shape {scores.shape} for {len(features)} rows: it "
            "must give one number a row; a model of several outputs is to learn several labels "
            "(model.kwargs all_labels=True and label_column='...'), or a class of your own whose "
            "predict gives the output that is meant"
        )
    return pd.Series(scores, index=features.index, name="score")


def prepare_features(dataset: Any, segment: Any) -> pd.DataFrame:
    """Features of a segment for inference."""
    frame: pd.DataFrame = dataset.prepare(segment, col_set="feature", data_key="infer")
    return frame
