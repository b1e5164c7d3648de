"""Predict again with a model that was trained before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wf_dagster.data.adapters import adapter_of
from wf_dagster.market import Market
from wf_dagster.records.recorder_market import load_market
from wf_dagster.tasks import find_class, modules_named, record_config
from wf_dagster.training.task import generate_records

if TYPE_CHECKING:
    from wf_dagster.tracking import Recorder


def refresh_recorder(
    recorder: Recorder, task: Mapping[str, Any] | None = None, *, market: Market | None = None
) -> None:
    """Compute a recorder's records again, on the prices as they are now.

    The model and the processors stay as they were fitted; only predictions, labels and what
    is derived from them change. Objects are replaced one by one, so a reader sees the old
    frame or the new one.

    Args:
        recorder: A finished recorder that holds ``task``, ``params.pkl`` and ``dataset``.
        task: Its task as the caller defines it: classes of the modules it names are loaded without
            being asked for. Default the one it holds, which is not trusted so far.
        market: Whose prices are meant; default those that the recorder was trained on.

    Raises:
        ObjectNotFoundError: One of the three is missing.
    """
    if task is None:
        task = recorder.load_object("task")
    else:
        recorder.trust([*modules_named(task), *(market.modules if market else ())])
    adapter = adapter_of(task, market or load_market(recorder))
    adapter.prepare()
    model = recorder.load_object("params.pkl")
    dataset = recorder.load_object("dataset")
    adapter.reload(dataset)
    generate_records(task, adapter, model, dataset, recorder)


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
