"""What there is of a strategy as a whole, and of all of them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from wf_dagster.collect.strategy_analyses import ANALYSES
from wf_dagster.errors import CollectError, ObjectNotFoundError
from wf_dagster.frames.engines import Engine, of_engine
from wf_dagster.frames.experiments import find_experiment
from wf_dagster.online import OnlineToolR
from wf_dagster.online import signal_store as store
from wf_dagster.tracking import Recorder, find_recorder_of_kind


def load_collected(name: str, *, engine: Engine = "pandas") -> Any:
    """The collected out-of-sample predictions of a strategy, with their labels.

    Args:
        name: The strategy, or its MLflow experiment.
        engine: ``"polars"`` for a Polars frame, whose first columns are those of the index.

    Returns:
        Rows ``(datetime, instrument)``, sorted, each once; columns ``score`` (float64, no unit) and
        the label that the models predict, under its name; NaN where it is not known yet. They are
        as of the last time that ``collected`` was made: ``frame.attrs["recorder"]`` names the
        recorder that keeps them.

    Raises:
        CollectError: There is no such strategy, or it was never collected.
        SettingsError: Polars is asked for and not installed.
    """
    experiment = find_experiment(name)
    recorder = find_recorder_of_kind(experiment, "collected")
    if recorder is None:
        raise CollectError(
            f"strategy {name!r} was never collected: materialize its `collected` asset, or take "
            "the rolls with load_predictions"
        )
    pred = _frame(recorder, "pred.pkl", name)
    label = _frame(recorder, "label.pkl", name)
    frame = pred.join(label[[column for column in label.columns if column not in pred.columns]])
    frame.attrs["recorder"] = recorder.id
    return of_engine(frame, engine)


def load_analyses(name: str) -> Recorder:
    """The recorder of a strategy's analyses: metrics, and objects such as ``sig_analysis/ic.pkl``.

    Args:
        name: The strategy, or its MLflow experiment.

    Raises:
        CollectError: There is no such strategy, or it was never analysed.
    """
    recorder = find_recorder_of_kind(find_experiment(name), ANALYSES)
    if recorder is None:
        raise CollectError(
            f"strategy {name!r} was never analysed: give it analyses=[...], and materialize its "
            "`analyses` asset"
        )
    return recorder


def load_signals(name: str = "signals", *, engine: Engine = "pandas") -> Any:
    """The signals: the final score of each instrument and session.

    Args:
        name: Key of the signals asset, and MLflow experiment that keeps them.
        engine: ``"polars"`` for a Polars frame, whose first columns are those of the index.

    Returns:
        Rows ``(datetime, instrument)``, sorted; column ``score`` (float64, no unit).

    Raises:
        CollectError: There are none.
        SettingsError: Polars is asked for and not installed.
    """
    signals = store.load_signals(name)
    if signals is None:
        raise CollectError(
            f"experiment {name!r} keeps no signals: materialize the asset of that name, or give "
            "load_signals the key of your signals asset"
        )
    frame = signals.to_frame("score") if isinstance(signals, pd.Series) else signals
    return of_engine(frame, engine)


def load_online_models(name: str) -> list[Recorder]:
    """The recorders of a strategy that serve.

    Args:
        name: The strategy, or its MLflow experiment.

    Returns:
        None where nothing is online.

    Raises:
        CollectError: There is no such strategy.
    """
    return list(OnlineToolR(find_experiment(name)).online_models())


def _frame(recorder: Recorder, file: str, name: str) -> pd.DataFrame:
    try:
        frame: pd.DataFrame = recorder.load_object(file)
    except ObjectNotFoundError:  # its maker died before they were written
        raise CollectError(
            f"strategy {name!r}: its recorder `collected` ({recorder.id}) holds no {file}: "
            "materialize `collected` again"
        ) from None
    return frame
