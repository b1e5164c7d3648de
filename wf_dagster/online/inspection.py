"""The recorders of a strategy that are to be checked, and what they are held against."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from wf_dagster.calendars import Segment
from wf_dagster.collect.roll_recorders import wanted_rolls
from wf_dagster.data import PanelDataset
from wf_dagster.data.universe import Universe
from wf_dagster.errors import ObjectNotFoundError, RecorderNotFoundError
from wf_dagster.exchanges import ExchangeFit
from wf_dagster.market import Market
from wf_dagster.online.drift import Reference
from wf_dagster.online.ledger import ONLINE_KEY, OnlineLedger
from wf_dagster.online.online_state import NEXT_ONLINE_TAG, ONLINE_TAG, OnlineState
from wf_dagster.online.quality import Serving
from wf_dagster.online.sessions import session_calendar
from wf_dagster.online.signal_store import days_of
from wf_dagster.online.updaters import RMDLoader
from wf_dagster.records.predictions import check_pred
from wf_dagster.rolling import Rolls, same_models
from wf_dagster.tasks import label_reach, modules_named
from wf_dagster.tasks.config import find_class
from wf_dagster.tasks.segments import parse_segment
from wf_dagster.tracking import R, Recorder, find_recorder_of_kind, find_recorders
from wf_dagster.training import RollRecognition, find_trained_rolls

REFERENCE = "drift/reference.json"


@dataclass(frozen=True)
class Inspected:
    """A recorder that is to be checked.

    Attributes:
        key: Its roll, for people.
        recorder: The recorder.
        task: Its task.
        market: What it stands on.
        sessions: The sessions that it should have predicted by now.
        now: The last session that it can know of.
        is_online: Whether it serves.
    """

    key: str
    recorder: Recorder
    task: dict[str, Any]
    market: Market
    sessions: pd.DatetimeIndex
    now: pd.Timestamp
    is_online: bool

    @cached_property
    def pred(self) -> pd.DataFrame:
        """Its predictions."""
        pred: pd.DataFrame = self.recorder.load_object("pred.pkl")
        return pred

    @cached_property
    def label(self) -> pd.DataFrame | None:
        """Its labels; ``None`` when its task keeps none."""
        try:
            label: pd.DataFrame = self.recorder.load_object("label.pkl")
        except ObjectNotFoundError:
            return None
        return label

    @property
    def reach(self) -> int | None:
        """Sessions after which its label is known, if the label says so."""
        return label_reach(self.task)

    def expected_rows(self) -> pd.MultiIndex | None:
        """A row for each of its sessions and each of its instruments that has a close then.

        ``None`` for a dataset that does not say where its prices are from.
        """
        dataset = self.task["dataset"]
        dataset_class = find_class(dataset, where="dataset")
        if not (isinstance(dataset_class, type) and issubclass(dataset_class, PanelDataset)):
            return None
        kwargs = dataset.get("kwargs") or {}
        if not len(self.sessions):
            return pd.MultiIndex.from_arrays([self.sessions, []], names=["datetime", "instrument"])
        source = self.market.with_prices(kwargs.get("prices")).prices
        universe = Universe.of(kwargs.get("instruments"), source)
        prices = source.load(
            instruments=universe.names, start=self.sessions[0], end=self.sessions[-1]
        )
        numbers = prices.select_dtypes("number")
        closes = prices["close"].dropna() if "close" in prices else numbers.dropna(how="all")
        rows = closes.index
        assert isinstance(rows, pd.MultiIndex)
        return rows[universe.holds(rows)]

    def exchange_fit(self) -> ExchangeFit | None:
        """Where the prices of its market differ from the exchange that continues them."""
        return self.market.exchange_fit

    def reference(self) -> Reference:
        """The distribution of its scores on its train segment; made once and kept with it.

        Raises:
            ObjectNotFoundError: It holds no model or no dataset.
        """
        # what another version has kept, or a process that died, is made anew
        with suppress(ObjectNotFoundError, ValueError):
            return Reference.from_json(self.recorder.load_object(REFERENCE, raw="bytes").decode())
        loader = RMDLoader(self.recorder, self.market)
        train = parse_segment(self.task["dataset"]["kwargs"]["segments"]["train"])
        dataset = loader.get_dataset(*train, segments={"test": train, "train": train})
        model = loader.get_model()
        reference = Reference.of(check_pred(model.predict(dataset), type(model).__name__))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, Path(REFERENCE).name)
            path.write_text(reference.to_json())
            self.recorder.save_objects(
                local_path=str(path), artifact_path=str(Path(REFERENCE).parent)
            )
        return reference


class Inspection:
    """A strategy as it is now.

    Args:
        experiment_name: Its MLflow experiment.
        rolls: Its rolls.
        market: What it stands on.
    """

    def __init__(self, experiment_name: str, rolls: Rolls, market: Market) -> None:
        self.experiment_name = experiment_name
        self.rolls = rolls
        self.market = market
        self.calendar = session_calendar(market)
        first = next(iter(rolls))
        self._trusted = {*modules_named(first.task), *market.modules}
        self._test_key = first.test_key

    @cached_property
    def state(self) -> OnlineState:
        """What is online."""
        return OnlineLedger(self.experiment_name).read()

    @cached_property
    def online(self) -> list[Inspected]:
        """The recorders that serve; those that were deleted are left out."""
        return list(self._inspect_all(self.state.online))

    def serving(self) -> list[Inspected]:
        """What serves; of a strategy without online models, the roll that has begun last."""
        begun = [roll.key for roll in self.rolls if roll.has_begun(self.calendar)]
        return self.online or self.of_rolls(begun[-1:])

    def of_rolls(self, keys: Sequence[str]) -> list[Inspected]:
        """The newest finished recorder of each roll, and which of them are online if others are.

        A roll without one, as it is defined now, is left out.
        """
        wanted = wanted_rolls(map(self.rolls.resolve, keys), self.market)
        newest = find_trained_rolls(self.experiment_name, wanted, trusted=self._trusted)
        chosen = [self._inspect(recorder, str(key)) for key, recorder in sorted(newest.items())]
        recognition = RollRecognition(wanted, self._trusted)
        others = [
            inspected
            for inspected in self.online
            if inspected.recorder not in newest.values()
            and recognition.find_roll(inspected.recorder) is not None
        ]
        return [*chosen, *others]

    def unlabelled(self) -> list[Inspected]:
        """Recorders that serve no more and miss labels."""
        return list(self._inspect_all(self.state.unlabelled))

    def generation(self) -> tuple[dict[str, Serving], dict[str, str]]:
        """What is known of each online recorder, and the online tags of all recorders, by id."""
        serving = {
            online.recorder.id: Serving(
                online.recorder.status,
                same_models(online.task),
                self._test_segment(online.task)[0],
            )
            for online in self.online
        }
        tags = {
            recorder.id: tag
            for tag in (ONLINE_TAG, NEXT_ONLINE_TAG)
            for recorder in find_recorders(
                self.experiment_name, tags={ONLINE_KEY: tag}, status=None
            )
        }
        return serving, tags

    def newest(self) -> pd.Timestamp | None:
        """The last session that all models which serve have predicted; ``None`` without one."""
        preds = [inspected.pred for inspected in self.serving()]
        if not preds or any(pred.empty for pred in preds):
            return None
        return min(pd.Timestamp(days_of(pred).max()) for pred in preds)

    def collected(self) -> Recorder | None:
        """The recorder of the collected predictions and labels."""
        return find_recorder_of_kind(self.experiment_name, "collected")

    def _inspect_all(self, ids: Sequence[str]) -> Iterator[Inspected]:
        for recorder_id in ids:
            try:
                recorder = R.get_recorder(recorder_id=recorder_id)
            except RecorderNotFoundError:
                continue
            yield self._inspect(recorder)

    def _inspect(self, recorder: Recorder, key: str = "") -> Inspected:
        recorder.trusted |= self._trusted
        task: dict[str, Any] = recorder.load_object("task")
        start, end = self._test_segment(task)
        is_online = recorder.id in self.state.online
        now = self.calendar.last_session
        if is_online and self.state.session is not None:
            now = pd.Timestamp(self.state.session)
            end = now  # it serves until the next one does, be that late
        sessions = self.calendar.between(start, end)
        return Inspected(
            key=key or (f"{start:%Y-%m-%d}" if start is not None else recorder.id),
            recorder=recorder,
            task=task,
            market=self.market,
            sessions=sessions[sessions <= now],
            now=now,
            is_online=is_online,
        )

    def _test_segment(self, task: dict[str, Any]) -> Segment:
        return parse_segment(task["dataset"]["kwargs"]["segments"][self._test_key])
