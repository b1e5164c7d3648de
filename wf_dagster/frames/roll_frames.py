"""Predictions and labels of a strategy's rolls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from wf_dagster.collect import RollingCollection, collect_rolling
from wf_dagster.errors import CollectError
from wf_dagster.frames.engines import Engine, of_engine
from wf_dagster.frames.experiments import find_experiment
from wf_dagster.frames.roll_choice import RollChoice, choose_rolls
from wf_dagster.tracking import MLflowRecorder, find_recorders

RECORDERS = "recorders"  # attribute of a frame: the ids of those it is of, by roll


def load_recorders(name: str, rolls: RollChoice = None) -> dict[str, MLflowRecorder]:
    """The newest finished recorder of each roll of a strategy.

    Args:
        name: The strategy, or its MLflow experiment.
        rolls: ``None`` for all; a key; a list of keys; a pair of dates ``(first, last)``, both
            included, for the rolls whose keys lie between, where ``None`` is an open end.

    Returns:
        By key of the roll, in the order of time.

    Raises:
        CollectError: There is no such strategy, or none of its rolls is finished.
        RollKeyError: A roll that is asked for has no finished recorder.
    """
    return _find(find_experiment(name), name, rolls)


def load_predictions(name: str, rolls: RollChoice = None, *, engine: Engine = "pandas") -> Any:
    """The out-of-sample predictions of rolls, as one frame.

    They are those of the newest finished recorder of each roll, as it is now; where two rolls have
    the same row, the later one counts. Which recorders these are stands in
    ``frame.attrs["recorders"]``, by key of the roll.

    Args:
        name: The strategy, or its MLflow experiment.
        rolls: As of :func:`load_recorders`.
        engine: ``"polars"`` for a Polars frame, whose first columns are those of the index.

    Returns:
        Rows ``(datetime, instrument)``, sorted, each once; column ``score`` (float64, no unit).

    Raises:
        CollectError: There is no such strategy, or a roll has no predictions.
        RollKeyError: A roll that is asked for has no finished recorder.
        SettingsError: Polars is asked for and not installed.

    Example:
        >>> load_predictions("ridge", ("2019-01-01", "2019-06-01"))  # doctest: +SKIP
    """
    recorders = load_recorders(name, rolls)
    return of_engine(_noted(_collect(name, recorders).pred, recorders), engine)


def load_labels(name: str, rolls: RollChoice = None, *, engine: Engine = "pandas") -> Any:
    """The labels that the predictions of rolls are held against, as one frame.

    Args:
        name: The strategy, or its MLflow experiment.
        rolls: As of :func:`load_recorders`.
        engine: As of :func:`load_predictions`.

    Returns:
        The rows of the predictions; one float64 column, the label that the models predict. NaN
        where it is not known yet.

    Raises:
        CollectError: There is no such strategy, or a roll has no predictions.
        RollKeyError: A roll that is asked for has no finished recorder.
        SettingsError: Polars is asked for and not installed.
    """
    recorders = load_recorders(name, rolls)
    return of_engine(_noted(_collect(name, recorders).label, recorders), engine)


def _find(experiment: str, name: str, rolls: RollChoice) -> dict[str, MLflowRecorder]:
    newest: dict[str, MLflowRecorder] = {}
    for recorder in find_recorders(experiment):  # newest first
        if key := recorder.list_tags().get("roll"):
            newest.setdefault(key, recorder)
    if not newest:
        raise CollectError(
            f"{name}: no roll has a finished recorder in experiment {experiment!r}: materialize "
            "the strategy's `recorders` first"
        )
    return {key: newest[key] for key in choose_rolls(rolls, sorted(newest), name)}


def _collect(name: str, recorders: Mapping[str, MLflowRecorder]) -> RollingCollection:
    collection = collect_rolling(recorders.items())
    present = {*collection.keys, *collection.awaited}
    if missing := [key for key in recorders if key not in present]:
        raise CollectError(
            f"{name}: recorder {recorders[missing[0]].id} of roll {missing[0]} is finished and "
            "holds no predictions: materialize the roll's `predictions`, or leave it out"
        )
    return collection


def _noted(frame: pd.DataFrame, recorders: Mapping[str, MLflowRecorder]) -> pd.DataFrame:
    frame.attrs[RECORDERS] = {key: recorder.id for key, recorder in recorders.items()}
    return frame
