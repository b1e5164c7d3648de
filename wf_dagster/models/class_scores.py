"""Scores of classifiers: how likely the up class is, or which class value to expect.

The number of the likeliest class does not say how likely it is, and most rows of a day share it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wf_dagster.errors import DataError, TaskError

Array = np.ndarray[Any, Any]


def is_classifier(estimator: Any) -> bool:
    """Whether an estimator predicts classes: as scikit-learn says, else if it has probabilities."""
    from sklearn import base  # slow to import

    if not hasattr(estimator, "__sklearn_tags__"):  # not made of scikit-learn's classes
        return hasattr(estimator, "predict_proba")
    try:
        return bool(base.is_classifier(estimator))
    except (AttributeError, TypeError):
        return hasattr(estimator, "predict_proba")


def has_probabilities(estimator: Any, name: str) -> bool:
    """Whether a classifier gives probabilities; else it has a decision function.

    Raises:
        TaskError: It has neither.
    """
    if hasattr(estimator, "predict_proba"):
        return True
    if hasattr(estimator, "decision_function"):
        return False
    raise TaskError(
        f"model.kwargs.estimator: {name} has neither predict_proba nor decision_function, so its "
        "classes give no scores: use one that has, wrap it in "
        "sklearn.calibration.CalibratedClassifierCV, or learn the label with a regressor"
    )


def find_classes(labels: Array, name: str) -> Array:
    """The classes of labels, sorted.

    Raises:
        DataError: They are no classes, or there is only one.
    """
    from sklearn.utils.multiclass import type_of_target  # slow to import

    classes: Array = np.unique(labels)
    if labels.dtype.kind == "f" and type_of_target(labels).startswith("continuous"):
        raise DataError(
            f"{name} learns classes, but the labels of segment train are {len(classes)} values "
            f"such as {float(labels[0]):.6g}: use a label function that gives classes, such as "
            "(returns > 0) as 0 and 1 with NaN where the return is, or a regressor"
        )
    if len(classes) < 2:
        raise DataError(
            f"all {len(labels)} labels of segment train are {classes[0]!s}: {name} has no classes "
            "to tell apart; use a longer segment or another label"
        )
    return classes


def check_order(classes: Array, positive: Any, name: str) -> None:
    """Make sure that it is known which class is up.

    Raises:
        TaskError: There is no such class.
        DataError: Nobody says which of texts is up.
    """
    if positive is not None:
        _find_class(classes, positive)
    elif not _are_numbers(classes):
        raise DataError(
            f"{name}: the labels are the classes {_listed(classes)}, which have no order: say in "
            f"model.kwargs.positive_class whose probability is the score, such as {classes[-1]!r}, "
            "or use numbers as labels"
        )


def score_probabilities(probabilities: Any, classes: Array, positive: Any, name: str) -> Array:
    """A score a row.

    Args:
        probabilities: Of shape ``(rows, classes)``; or, of two classes, that of the greater one.
        classes: What the columns stand for.
        positive: The class whose probability is the score; default the greater of two.
        name: Name of the model, for messages.

    Returns:
        The probability of the up class; of more than two classes the expected class value, the
        sum of ``probability * class``.

    Raises:
        DataError: There is not a probability a class.
    """
    table = np.asarray(probabilities, dtype="float64")
    if len(classes) == 2 and (table.ndim == 1 or table.shape[1] == 1):
        up = table.reshape(-1)
        table = np.column_stack([1 - up, up])
        classes = np.sort(classes)
    if table.ndim != 2 or table.shape[1] != len(classes):
        raise DataError(
            f"{name}.predict_proba gave an array of shape {table.shape}: it must give a column for "
            f"each of the classes {_listed(classes)}"
        )
    if positive is not None:
        return table[:, _find_class(classes, positive)]
    if len(classes) == 2:
        return table[:, int(np.argmax(classes))]
    return np.asarray(table @ classes.astype("float64"))


def score_decisions(decisions: Any, classes: Array, positive: Any, name: str) -> Array:
    """A score a row of a decision function of two classes: how far on the side of the up class.

    Raises:
        DataError: There are more classes.
    """
    values = np.asarray(decisions, dtype="float64")
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or len(classes) != 2:
        raise DataError(no_probabilities(classes, name))
    is_first = positive is not None and _find_class(classes, positive) == 0
    return -values if is_first else values


def no_probabilities(classes: Array, name: str) -> str:
    """What to say where a decision function is of no use."""
    return (
        f"{name} has no predict_proba, and its decision function of the {len(classes)} classes "
        f"{_listed(classes)} gives no score: wrap it in "
        "sklearn.calibration.CalibratedClassifierCV, or use a label of two classes"
    )


def _find_class(classes: Array, wanted: Any) -> int:
    positions = np.flatnonzero(classes == wanted)
    if not len(positions):
        raise TaskError(
            f"model.kwargs.positive_class is {wanted!r}: the classes of the labels are "
            f"{_listed(classes)}"
        )
    return int(positions[0])


def _are_numbers(classes: Array) -> bool:
    if classes.dtype.kind in "biuf":
        return True
    return all(isinstance(value, (bool, int, float, np.number)) for value in classes)


def _listed(classes: Array) -> str:
    class_names = ", ".join(str(value) for value in classes[:5])
    return class_names + (f" and {len(classes) - 5} more" if len(classes) > 5 else "")
