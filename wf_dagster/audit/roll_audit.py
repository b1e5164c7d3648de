"""The audit of one roll: other prices after a session of its test window, and what changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import pandas as pd

from wf_dagster.audit.altered_prices import AlteredPrices
from wf_dagster.audit.audited_part import AuditedPart
from wf_dagster.data import Panel, PanelDataset
from wf_dagster.data.adapters import DatasetAdapter, adapter_of
from wf_dagster.data.panel import compute_panel
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
            other = compute_panel(
                AlteredPrices(prices, date, seed=number),
                dataset.features,
                dataset.label,
                dataset.instruments,
            )
            self._compare(dataset, trained, panel, other, date)

    def _compare(
        self,
        dataset: PanelDataset,
        trained: TrainedRoll | None,
        panel: Panel,
        other: Panel,
        date: pd.Timestamp,
    ) -> None:
        where = f" ({self._what})"
        self._parts[FEATURES].compare(
            _group(panel, "feature", None, date), _group(other, "feature", None, date), date
        )
        before, _ = segments_before_test(dataset.segments) or ({}, None)
        for start, end in before.values():
            real, altered = (_group(p, "label", start, end) for p in (panel, other))
            has_label = real.notna().any(axis=1)
            self._parts[LABELS].compare(real[has_label], altered, date, where)
        real_data, other_data = dataset.on_panel(panel), dataset.on_panel(other)
        processors = self._parts[PROCESSORS]
        for segment in before:
            real, altered = (
                d.prepare(segment, col_set="feature", data_key="learn")
                for d in (real_data, other_data)
            )
            # a row that a missing label has removed is a matter of the label
            rows = real.index.intersection(altered.index)
            processors.compare(real.loc[rows], altered.loc[rows], date, where)
        test = slice(*self._roll.test)
        real, altered = (
            d.prepare(test, col_set="feature", data_key="infer") for d in (real_data, other_data)
        )
        processors.compare(real.loc[:date], altered.loc[:date], date, where)
        if trained is not None:
            real, altered = trained.predict(panel), trained.predict(other)
            self._parts[PREDICTIONS].compare(real.loc[:date], altered.loc[:date], date, where)

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
