"""The audit of one roll: other prices after a session of its test window, and what changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, cast

import pandas as pd

from wf_dagster.audit.audited_part import AuditedPart
from wf_dagster.audit.other_panels import OtherPanels
from wf_dagster.data import Panel, PanelDataset
from wf_dagster.data.adapters import DatasetAdapter, adapter_of
from wf_dagster.errors import DataError, ObjectNotFoundError
from wf_dagster.market import Market
from wf_dagster.records.signal import check_pred
from wf_dagster.rolling import Roll
from wf_dagster.tasks import modules_named
from wf_dagster.tasks.late_labels import segments_before_test
from wf_dagster.tracking import Recorder

FEATURES, PROCESSORS, LABELS, PREDICTIONS = "features", "processors", "labels", "predictions"


@dataclass(frozen=True)
class TrainedRoll:
    """A fitted model and its dataset, as a recorder holds them."""

    model: Any
    dataset: PanelDataset

    @classmethod
    def of(cls, recorder: Recorder, task: Mapping[str, Any], market: Market) -> TrainedRoll | None:
        """What a recorder holds; ``None`` if its dataset is no :class:`PanelDataset`."""
        recorder.trusted |= {*modules_named(task), *market.modules}
        dataset = recorder.load_object("dataset")
        if not isinstance(dataset, PanelDataset):
            return None
        adapter_of(task, market).reload(dataset)
        return cls(recorder.load_object("params.pkl"), dataset)

    def predict(self, panel: Panel) -> pd.DataFrame:
        """The scores of the test segment, from a panel."""
        pred = self.model.predict(self.dataset.on_panel(panel))
        return check_pred(pred, type(self.model).__name__)


class RollAudit:
    """Compares one roll on the prices as they are with the same roll on other later prices.

    Args:
        roll: The roll.
        recorder: Its recorder; ``None`` where it was not trained.
        market: What it stands on.
        parts: Get what is compared, by name.
    """

    def __init__(
        self,
        roll: Roll,
        recorder: Recorder | None,
        market: Market,
        parts: Mapping[str, AuditedPart],
    ) -> None:
        self._roll = roll
        self._recorder = recorder
        self._market = market
        self._parts = parts
        self._what = f"roll {roll.key}"

    def run(self) -> None:
        """Compare at the first session of the test window, and at one inside of it."""
        adapter = adapter_of(self._roll.task, self._market)
        adapter.prepare()
        dataset = adapter.make_dataset()
        if not isinstance(dataset, PanelDataset):
            self._read_expressions(adapter, dataset)
            return
        panel = dataset.panel
        rows = panel.slice(*self._roll.test).index
        window = pd.DatetimeIndex(rows.get_level_values("datetime").unique())
        window = window[window < last_session(panel)]
        if window.empty:
            for part in self._parts.values():
                part.miss("no session follows the first of the test window", self._what)
            return
        trained = self._load_trained()
        assert panel.source is not None
        prices = panel.source.load()
        for number, date in enumerate(dict.fromkeys((window[0], window[len(window) // 2]))):
            others = OtherPanels(dataset, prices, date, seed=number)
            if changed := others.describe_changed_names(panel):
                self._parts[FEATURES].fail(f"{changed} ({self._what})")
                for name in (LABELS, PROCESSORS, PREDICTIONS):
                    self._parts[name].miss("columns have other names with other prices", self._what)
                continue
            self._compare(dataset, trained, panel, others, date)

    def _compare(
        self,
        dataset: PanelDataset,
        trained: TrainedRoll | None,
        panel: Panel,
        others: OtherPanels,
        date: pd.Timestamp,
    ) -> None:
        where = f" ({self._what})"

        panels = panel, others.altered
        processed = [dataset.on_panel(p) for p in panels]
        ending = cache(lambda: dataset.on_panel(others.ending))

        real, altered = (_group(p, "feature", None, date) for p in panels)
        self._parts[FEATURES].compare(
            real, altered, date, "", lambda: _group(others.ending, "feature", None, date)
        )
        before, _ = segments_before_test(dataset.segments) or ({}, None)
        for start, end in before.values():
            real, altered = (_group(p, "label", start, end) for p in panels)
            has_label = real.notna().any(axis=1)
            self._parts[LABELS].compare(
                real[has_label],
                altered,
                date,
                where,
                partial(lambda s, e: _group(others.ending, "label", s, e), start, end),
            )
        processors = self._parts[PROCESSORS]
        for segment in before:
            learn = partial(_processed, segment=segment, data_key="learn")
            real, altered = map(learn, processed)
            # a row that a missing label has removed is a matter of the label
            rows = real.index.intersection(altered.index)
            processors.compare(
                real.loc[rows], altered, date, where, partial(lambda f: f(ending()), learn)
            )
        infer = partial(_processed, segment=slice(*self._roll.test), data_key="infer")
        real, altered = map(infer, processed)
        processors.compare(real.loc[:date], altered, date, where, lambda: infer(ending()))
        if trained is not None:
            real, altered = map(trained.predict, panels)
            self._parts[PREDICTIONS].compare(
                real.loc[:date], altered, date, where, lambda: trained.predict(others.ending)
            )

    def _load_trained(self) -> TrainedRoll | None:
        part = self._parts[PREDICTIONS]
        if self._recorder is None:
            part.miss("there is no finished recorder", self._what)
            return None
        try:
            return TrainedRoll.of(self._recorder, self._roll.task, self._market)
        except ObjectNotFoundError as error:
            part.miss(str(error), self._what)
            return None

    def _read_expressions(self, adapter: DatasetAdapter, dataset: Any) -> None:
        """What can be known of a dataset whose prices cannot be changed here."""
        name = type(dataset).__name__
        for part in self._parts.values():
            part.note(
                f"a {name} does not stand on prices that can be changed here: of Qlib's datasets "
                "the expressions of features and labels were read, of others nothing was tested"
            )
        features, labels = self._parts[FEATURES], self._parts[LABELS]
        try:
            adapter.check_features(dataset)
            features.read(self._what)
        except DataError as error:
            features.read(self._what, str(error))
        late = adapter.find_late_labels(dataset)
        labels.read(self._what, "" if late is None else late.describe())


def last_session(panel: Panel) -> pd.Timestamp:
    """The last session of a panel."""
    last: Any = panel.index[-1][0]
    return pd.Timestamp(last)


def _group(panel: Panel, group: str, start: Any, end: Any) -> pd.DataFrame:
    return cast(pd.DataFrame, panel.slice(start, end)[group])


def _processed(dataset: PanelDataset, segment: Any, data_key: str) -> pd.DataFrame:
    frame: pd.DataFrame = dataset.prepare(segment, col_set="feature", data_key=data_key)
    return frame
