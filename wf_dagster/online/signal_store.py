"""The signals of an online manager: made once for each session, then kept as they were sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from wf_dagster.collect import keep
from wf_dagster.collect.row_codes import merge_frames
from wf_dagster.errors import ObjectNotFoundError, OnlineError
from wf_dagster.tracking import Recorder, find_recorder_of_kind

SIGNALS = "signals"  # the experiment, unless another one is named
KIND = "signals"
FILE = "signals.pkl"
STRATEGIES_TAG = "wf_strategies"  # whose signals they are
_SEPARATOR = ", "
_SERIES = "series"  # attribute of a kept frame that was a series


def days_of(frame: Any) -> pd.Index:
    """The day of each row."""
    days: pd.Index = frame.index.get_level_values("datetime")
    return days


def rows_since(collected: Any, first: pd.Timestamp | None) -> Any:
    """The rows from a day on of frames in nested dicts; those without any are left out."""
    if isinstance(collected, Mapping):
        frames = {key: rows_since(value, first) for key, value in collected.items()}
        return {key: frame for key, frame in frames.items() if len(frame)}
    return collected if first is None else collected[days_of(collected) >= first]


def append_signals(old: Any, new: Any, first: pd.Timestamp | None) -> Any:
    """Signals that were sent, followed by new ones.

    Args:
        old: Those that were sent; ``None`` for none.
        new: New ones; days before ``first`` are left out.
        first: Day of the first new ones; a later day that was sent already is replaced.
    """
    if old is None or first is None:
        return new
    fresh = new[days_of(new) >= first]
    if fresh.empty:
        return old
    earlier = old[days_of(old) < days_of(fresh).min()]
    return merge_frames([earlier, fresh], ["signals that were sent", "new signals"])


def choose_experiment(experiment_name: str, strategies: Sequence[str]) -> str:
    """The experiment of a manager's signals: the named one, or one of its own beside the default.

    Args:
        experiment_name: As the manager names it.
        strategies: Names of its strategies.
    """
    if experiment_name != SIGNALS:
        return experiment_name
    own = f"{SIGNALS} of {strategies[0]}"
    if find_recorder_of_kind(own, KIND) is None:
        common = find_recorder_of_kind(SIGNALS, KIND)
        if common is None or set(strategies) & set(_strategies_of(common).split(_SEPARATOR)):
            return SIGNALS
    return own


def load_signals(experiment_name: str, strategies: Sequence[str] | None = None) -> Any:
    """The signals that an experiment holds, as they were given to :func:`keep_signals`.

    Args:
        experiment_name: The experiment; without any signals the answer is ``None``.
        strategies: Names of strategies, of which they must be made of one at least; default any.

    Raises:
        OnlineError: They are made of others.
    """
    recorder = find_recorder_of_kind(experiment_name, KIND)
    if recorder is None:
        return None
    sources = _strategies_of(recorder)
    if strategies is not None and not set(strategies) & set(sources.split(_SEPARATOR)):
        raise OnlineError(
            f"experiment {experiment_name!r} keeps the signals of "
            f"{sources or 'something else than an OnlineManager'}: give this manager another name, "
            "OnlineManager(..., name=...)"
        )
    try:
        frame = recorder.load_object(FILE)
    except ObjectNotFoundError:  # its maker died before they were written
        return None
    return frame["score"].rename(None) if frame.attrs.pop(_SERIES, False) else frame


def keep_signals(
    experiment_name: str,
    signals: Any,
    strategies: Sequence[str] = (),
    further: Mapping[str, Any] | None = None,
) -> Recorder:
    """Put signals into the experiment's one recorder for them.

    There they are a frame; a series becomes its column ``score``.

    Args:
        experiment_name: The experiment.
        signals: Rows ``(datetime, instrument)``.
        strategies: Names of the strategies that they are made of.
        further: What is kept beside them, by name.
    """
    frame = signals.to_frame("score") if isinstance(signals, pd.Series) else signals.copy()
    frame.attrs[_SERIES] = isinstance(signals, pd.Series)
    figures = {"rows": len(frame), "sessions": int(days_of(frame).nunique())}
    tags = {STRATEGIES_TAG: _SEPARATOR.join(strategies)} if strategies else {}
    recorder = keep(experiment_name, KIND, {FILE: frame, **(further or {})}, figures, tags)
    if tags and recorder.list_tags().get(STRATEGIES_TAG) != tags[STRATEGIES_TAG]:
        recorder.set_tags(**tags)  # it was made for other strategies
    return recorder


def newest_signal(experiment_name: str) -> pd.Timestamp | None:
    """The last day of the signals that an experiment holds; ``None`` when there are none yet."""
    recorder = find_recorder_of_kind(experiment_name, KIND)
    try:
        days = () if recorder is None else days_of(recorder.load_object(FILE))
    except ObjectNotFoundError:  # its maker died before they were written
        return None
    return pd.Timestamp(max(days)) if len(days) else None


def sources_of(experiment_name: str) -> list[str]:
    """The strategies that the signals of an experiment are made of, as far as they are noted."""
    recorder = find_recorder_of_kind(experiment_name, KIND)
    text = "" if recorder is None else _strategies_of(recorder)
    return [name for name in text.split(_SEPARATOR) if name]


def _strategies_of(recorder: Recorder) -> str:
    return str(recorder.list_tags().get(STRATEGIES_TAG, ""))
