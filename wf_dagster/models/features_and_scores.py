"""What the adapters share: frames in, scores out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from wf_dagster.errors import DataError


def prepare_learning_data(dataset: Any, segment: str) -> tuple[pd.DataFrame, np.ndarray[Any, Any]]:
    """Features and labels of a segment for learning; rows without a label are left out.

    Raises:
        DataError: No row is left.
    """
    frame = dataset.prepare(segment, col_set=["feature", "label"], data_key="learn")
    label = frame["label"].to_numpy()[:, 0]
    has_label = ~np.isnan(label)
    if not has_label.any():
        raise DataError(
            f"segment {segment} has no row with a label: it may be too close to the last session, "
            "or the processors drop every row"
        )
    features = frame["feature"]
    if has_label.all():
        return features, label
    return features[has_label], label[has_label]


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


def to_scores(features: pd.DataFrame, values: Any) -> pd.Series:
    """Predictions as a series ``score`` with the rows of the features."""
    return pd.Series(np.asarray(values, dtype="float64"), index=features.index, name="score")


def prepare_features(dataset: Any, segment: Any) -> pd.DataFrame:
    """Features of a segment for inference."""
    frame: pd.DataFrame = dataset.prepare(segment, col_set="feature", data_key="infer")
    return frame
