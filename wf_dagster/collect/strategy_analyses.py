"""The analyses of a strategy: computed once, on what was collected of all its rolls."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from wf_dagster.collect.joined_records import generate_joined_records
from wf_dagster.collect.strategy_collection import LABELS
from wf_dagster.errors import CollectError, MissingExtraError, ObjectNotFoundError
from wf_dagster.market import Market
from wf_dagster.process import attribute_replaced
from wf_dagster.records import cumulative_plot_png, ic_plot_png, markdown_image
from wf_dagster.tracking import Recorder, find_recorder_of_kind, start_recorder_of_kind

ANALYSES = "analyses"  # kind of the recorder
_REPORT = "report_normal_"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StrategyAnalyses:
    """What was computed on the collected predictions of a strategy.

    Attributes:
        recorder: Where the frames, metrics and objects are kept.
        records: The classes that were computed, by name, in their order.
        metrics: What they logged; NaN is not defined.
        first: The first session with predictions.
        last: The last one.
        plots: Images as Markdown, by name.
    """

    recorder: Recorder
    records: list[str]
    metrics: dict[str, float]
    first: pd.Timestamp
    last: pd.Timestamp
    plots: dict[str, str] = field(default_factory=dict)


def analyse_strategy(
    experiment_name: str,
    template: Mapping[str, Any],
    records: Sequence[Any],
    market: Market | None = None,
) -> StrategyAnalyses:
    """Compute records on the collected predictions of a strategy, and keep what they give.

    The experiment has one recorder of the kind ``analyses``; its metrics are this time's: one that
    is not logged any more becomes NaN. Objects of records that are not computed any more stay, and
    are named in the log.

    Args:
        experiment_name: MLflow experiment of the strategy, whose predictions were collected.
        template: The task of its first roll.
        records: Configurations of the records.
        market: What the strategy stands on; default that of the settings.

    Raises:
        CollectError: It was never collected.
        TaskError: A record cannot be found or does not take its arguments.
    """
    pred, label = _load_collected(experiment_name)
    with (
        start_recorder_of_kind(experiment_name, ANALYSES) as recorder,
        _gather_metrics(recorder) as metrics,
        _name_earlier_objects(recorder),
    ):
        computed = generate_joined_records(
            template, recorder, records, pred=pred, label=label, market=market, where=ANALYSES
        )
    days = pred.index.get_level_values("datetime")
    return StrategyAnalyses(
        recorder=recorder,
        records=[type(record).__name__ for record in computed],
        metrics=metrics,
        first=days.min(),
        last=days.max(),
        plots=_draw(recorder, computed),
    )


def _load_collected(experiment_name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The predictions, and all labels that their rolls hold."""
    collected = find_recorder_of_kind(experiment_name, "collected")
    try:
        if collected is not None:
            pred, label = (collected.load_object(name) for name in ("pred.pkl", "label.pkl"))
            with suppress(ObjectNotFoundError):  # most tasks have one label
                label = collected.load_object(LABELS)
            return pred, label
    except ObjectNotFoundError:  # its maker died before they were written
        pass
    raise CollectError(
        f"strategy experiment {experiment_name!r} was never collected: materialize its `collected` "
        "asset first"
    )


@contextmanager
def _gather_metrics(recorder: Recorder) -> Iterator[dict[str, float]]:
    """The metrics that are logged inside the block; those from before it become NaN."""
    before = recorder.list_metrics()
    log_metrics, logged = recorder.log_metrics, {}

    def note_and_log(step: int | None = None, **metrics: Any) -> None:
        logged.update({name: float(value) for name, value in metrics.items()})
        log_metrics(step, **metrics)

    with attribute_replaced(recorder, "log_metrics", note_and_log):
        yield logged
    stale = sorted(before.keys() - logged.keys())
    if stale:
        log_metrics(None, **dict.fromkeys(stale, math.nan))


@contextmanager
def _name_earlier_objects(recorder: Recorder) -> Iterator[None]:
    """Say which objects and folders nothing was saved into inside the block."""
    # folders and objects: what else there is, such as code_diff.txt, is the recorder's own
    before = {name for name in recorder.list_artifacts() if Path(name).suffix in ("", ".pkl")}
    save_objects = recorder.save_objects

    def save_and_note(
        local_path: str | None = None, artifact_path: str | None = None, **objects: Any
    ) -> None:
        saved = [artifact_path] if artifact_path else objects
        before.difference_update(name.partition("/")[0] for name in saved)
        save_objects(local_path, artifact_path, **objects)

    with attribute_replaced(recorder, "save_objects", save_and_note):
        yield
    if before:
        _log.warning(
            "%s of recorder %s: of analyses before these, which do not compute it any more",
            *(", ".join(sorted(before)), recorder.id),
        )


def _draw(recorder: Recorder, computed: Sequence[Any]) -> dict[str, str]:
    """Plots of what was computed; without matplotlib how to have them, which is no failure."""
    objects = {
        name: path
        for record in computed
        if hasattr(record, "list") and hasattr(record, "get_path")
        for name, path in ((name, record.get_path(name)) for name in record.list())
    }
    plots: dict[str, str] = {}
    try:
        if "ic.pkl" in objects:
            ic, ric = (_load(recorder, objects.get(name)) for name in ("ic.pkl", "ric.pkl"))
            if ic is not None and ic.notna().any():
                plots["ic_plot"] = markdown_image(ic_plot_png(ic, ric), "IC of all rolls")
        for name, path in objects.items():
            report = _load(recorder, path) if name.startswith(_REPORT) else None
            if isinstance(report, pd.DataFrame) and len(report):
                freq = name.removeprefix(_REPORT).removesuffix(".pkl")
                image = markdown_image(cumulative_plot_png(report), f"returns, {freq}")
                plots[f"returns_{freq}"] = image
    except MissingExtraError as error:
        plots["plots"] = str(error)
    return plots


def _load(recorder: Recorder, path: str | None) -> Any:
    if path is None:
        return None
    try:
        return recorder.load_object(path)
    except ObjectNotFoundError:
        return None
