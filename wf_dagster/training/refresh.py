"""Predict again with a model that was trained before."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from wf_dagster.data.adapters import adapter_of
from wf_dagster.errors import ObjectNotFoundError
from wf_dagster.market import Market
from wf_dagster.records.recorder_market import load_market
from wf_dagster.rolling.roll_identity import find_test_key
from wf_dagster.tasks import find_class, fingerprint, modules_named, record_config
from wf_dagster.tasks.segments import parse_segment
from wf_dagster.training.task import generate_records

if TYPE_CHECKING:
    from wf_dagster.tracking import Recorder

_log = logging.getLogger(__name__)


def refresh_recorder(
    recorder: Recorder, task: Mapping[str, Any] | None = None, *, market: Market | None = None
) -> None:
    """Compute a recorder's records again, on the prices as they are now.

    The model and the processors stay as they were fitted; only predictions, labels and what
    is derived from them change. Objects are replaced one by one, so a reader sees the old
    frame or the new one.

    A task that is defined otherwise now, in what is no part of the training, is taken over: its
    records are those that are computed, its test window is the one that is predicted, and the
    recorder holds it. Sessions that were predicted after the end of that window, by a model that
    served on, stay predicted.

    Args:
        recorder: A finished recorder that holds ``task``, ``params.pkl`` and ``dataset``.
        task: Its task as the caller defines it: classes of the modules it names are loaded without
            being asked for. Default the one it holds, which is not trusted so far.
        market: Whose prices are meant; default those that the recorder was trained on.

    Raises:
        ObjectNotFoundError: One of the three is missing.
    """
    defined = task
    if task is None:
        task = recorder.load_object("task")
    else:
        recorder.trust([*modules_named(task), *(market.modules if market else ())])
    adapter = adapter_of(task, market or load_market(recorder))
    adapter.prepare()
    model = recorder.load_object("params.pkl")
    dataset = recorder.load_object("dataset")
    if defined is not None:
        _configure(dataset, defined, _last_predicted(recorder))
    adapter.reload(dataset)
    generate_records(task, adapter, model, dataset, recorder)
    if defined is not None:
        _take_over(recorder, defined, dataset)


def _configure(dataset: Any, task: Mapping[str, Any], predicted: pd.Timestamp | None) -> None:
    """Bring a dataset that was loaded in line with its task: its test window, and places."""
    kwargs = task["dataset"].get("kwargs") if isinstance(task["dataset"], Mapping) else None
    segments = dict((kwargs or {}).get("segments") or {})
    if kwargs is None or not segments or not hasattr(dataset, "config"):
        return
    test = find_test_key(segments)
    start, end = parse_segment(segments[test])
    if predicted is not None and end is not None and predicted > end:
        segments[test] = (start, predicted)
    changed: dict[str, Any] = {} if _is_same(dataset, segments) else {"segments": segments}
    handler = kwargs.get("handler")
    of_handler = (handler.get("kwargs") or {}) if isinstance(handler, Mapping) else {}
    if changed and getattr(dataset, "handler", None) is not None and "end_time" in of_handler:
        changed["handler_kwargs"] = {"end_time": of_handler["end_time"]}
    changed |= {
        name: kwargs[name]
        for name in ("prices", "instruments")
        if isinstance(kwargs.get(name), (str, os.PathLike))
        and getattr(dataset, name, kwargs[name]) != kwargs[name]
    }
    if changed:
        dataset.config(**changed)


def _is_same(dataset: Any, segments: Mapping[str, Any]) -> bool:
    own = getattr(dataset, "segments", None)
    return isinstance(own, Mapping) and {n: parse_segment(s) for n, s in own.items()} == {
        n: parse_segment(s) for n, s in segments.items()
    }


def _last_predicted(recorder: Recorder) -> pd.Timestamp | None:
    try:
        days = recorder.load_object("pred.pkl").index.get_level_values("datetime")
    except ObjectNotFoundError:  # its task keeps none
        return None
    return pd.Timestamp(days.max()) if len(days) else None


def _take_over(recorder: Recorder, task: Mapping[str, Any], dataset: Any) -> None:
    """Let a recorder hold its task as it is defined now, where that is another one."""
    before, now = recorder.list_tags().get("fingerprint"), fingerprint(task)
    if before == now:
        return
    recorder.save_objects(task=dict(task), dataset=dataset)
    recorder.set_tags(fingerprint=now)
    _log.info(
        "recorder %s keeps its model and has the records and the test window of its task as it is "
        "defined now (fingerprint %s..., before %s...)",
        recorder.id,
        now[:12],
        str(before)[:12],
    )


def refresh_analysis(
    recorder: Recorder, task: Mapping[str, Any], *, market: Market | None = None
) -> None:
    """Compute again what a recorder holds about its predictions and labels.

    Args:
        recorder: Its predictions or labels have changed.
        task: Its task; records that predict are left out.
        market: As for :func:`refresh_recorder`.
    """
    adapter = adapter_of(task, market or load_market(recorder))
    adapter.prepare()
    records = task.get("record") or []
    for record in [records] if isinstance(records, (Mapping, str)) else records:
        config = record_config(record, task)
        if getattr(find_class(config, where="record"), "depend_cls", None) is not None:
            adapter.make_record(config, recorder).generate()
