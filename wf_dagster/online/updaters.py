"""Updaters: a frame of a recorder, brought up to date with its model and dataset."""

from __future__ import annotations

import logging
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from wf_dagster.calendars import TradingCalendar, split_segment, to_day
from wf_dagster.data.adapters import adapter_of
from wf_dagster.errors import OnlineError
from wf_dagster.market import Market
from wf_dagster.online.sessions import daily_calendar
from wf_dagster.records import SignalRecord
from wf_dagster.records.predictions import check_pred
from wf_dagster.records.recorder_market import load_market
from wf_dagster.tracking import Recorder

_log = logging.getLogger(__name__)


class RMDLoader:
    """Loads the model and the dataset of a recorder.

    Args:
        rec: Holds ``dataset`` and ``params.pkl``.
        market: Whose prices the dataset reads; default those that it names itself.
    """

    market: Market | None = None  # of a loader of one's own whose constructor takes none

    def __init__(self, rec: Recorder, market: Market | None = None) -> None:
        self.rec = rec
        self.market = market

    def get_dataset(
        self,
        start_time: Any,
        end_time: Any,
        segments: dict[str, Any] | None = None,
        unprepared_dataset: Any = None,
    ) -> Any:
        """The dataset for inference on a range of dates; its processors stay as they were fitted.

        Args:
            start_time: First date that it reads (of datasets that have a data handler).
            end_time: Last date.
            segments: Default ``{"test": (start_time, end_time)}``.
            unprepared_dataset: Another dataset than that of the recorder.
        """
        dataset = (
            self.rec.load_object("dataset") if unprepared_dataset is None else unprepared_dataset
        )
        segments = segments or {"test": (start_time, end_time)}
        if getattr(dataset, "handler", None) is None:
            dataset.config(segments=segments)
        else:
            reach = {"start_time": start_time, "end_time": end_time}
            dataset.config(handler_kwargs=reach, segments=segments)
        adapter_of({"dataset": dataset}, self.market or Market()).reload(dataset, moving=True)
        return dataset

    def get_model(self) -> Any:
        """The fitted model."""
        return self.rec.load_object("params.pkl")


class RecordUpdater:
    """Updates something that a recorder holds.

    Args:
        record: The recorder.
    """

    logger: ClassVar[logging.Logger] = _log  # as Qlib's updaters have one

    def __init__(self, record: Recorder, *args: Any, **kwargs: Any) -> None:
        self.record = record

    def update(self, *args: Any, **kwargs: Any) -> Any:
        """Update it."""
        raise NotImplementedError  # abstract


class DSBasedUpdater(RecordUpdater):
    """Updates a frame with rows ``(datetime, instrument)`` from the recorder's dataset.

    Only rows from ``from_date`` to ``to_date`` change, both included.

    Args:
        record: The recorder.
        to_date: Default the last session with prices; a later date means that one.
        from_date: Default the session after the last that is complete (all columns known), so
            that labels which became known are taken in.
        hist_ref: Sessions before a row that the dataset needs to compute it; default what the
            dataset says (``step_len - 1`` of one with time steps, else 0).
        freq: ``"day"``.
        fname: Name of the frame in the recorder.
        loader_cls: Loads model and dataset.
        market: What is predicted on; default that of the recorder's dataset, or of the settings.

    Raises:
        ObjectNotFoundError: The recorder holds no such frame.
        OnlineError: ``to_date`` is before the prices, or ``freq`` is not known.
    """

    def __init__(
        self,
        record: Recorder,
        to_date: Any = None,
        from_date: Any = None,
        hist_ref: int | None = None,
        freq: str = "day",
        fname: str = "pred.pkl",
        loader_cls: type[RMDLoader] = RMDLoader,
        market: Market | None = None,
    ) -> None:
        super().__init__(record)
        if freq != "day":
            raise OnlineError(f"freq {freq!r} is not known: sessions are days, use 'day'")
        self.hist_ref = hist_ref
        self.freq = freq
        self.fname = fname
        self.old_data: pd.DataFrame = record.load_object(fname)
        market = market or _market_of(record)
        self.rmdl = loader_cls(rec=record)
        self.rmdl.market = market
        self.calendar = daily_calendar(market)
        self.to_date = _last_to_update(to_date, self.calendar)
        self.last_end = self._last_end(from_date)

    def _last_end(self, from_date: Any) -> pd.Timestamp:
        """The session before the first one to update."""
        if from_date is not None:
            return _session_before(from_date, self.calendar)
        if (complete := last_complete_day(self.old_data)) is not None:
            return complete
        if len(self.old_data):  # labels, none of which is known yet
            return _session_before(
                self.old_data.index.get_level_values("datetime").min(), self.calendar
            )
        return _session_before(
            self._test_start(), self.calendar
        )  # trained before its first session

    def _test_start(self) -> Any:
        segments = self.record.load_object("dataset").segments
        start = split_segment(segments["test"])[0] if "test" in segments else None
        if start is None:
            raise OnlineError(
                f"recorder {self.record.id} has never predicted, and its dataset does not say "
                "where its test segment starts: give from_date"
            )
        return start

    @property
    def is_latest(self) -> bool:
        """Whether there is nothing to update."""
        return self.last_end >= self.to_date

    @property
    def segments(self) -> dict[str, Any]:
        """The range to update, as the segments of a dataset."""
        start = self.calendar.session_at(self.calendar.index(self.last_end, "end") + 1)
        return {"test": (start, self.to_date)}

    def prepare_data(self, unprepared_dataset: Any = None) -> Any:
        """The dataset for the range to update; give it to several updaters of one recorder.

        Args:
            unprepared_dataset: Another dataset than that of the recorder.
        """
        dataset = (
            self.record.load_object("dataset") if unprepared_dataset is None else unprepared_dataset
        )
        reach = getattr(dataset, "step_len", 1) - 1 if self.hist_ref is None else self.hist_ref
        first = max(self.calendar.index(self.segments["test"][0]) - reach, 0)
        return self.rmdl.get_dataset(
            start_time=self.calendar.session_at(first),
            end_time=self.to_date,
            segments=self.segments,
            unprepared_dataset=dataset,
        )

    def update(
        self, dataset: Any = None, write: bool = True, ret_new: bool = False
    ) -> pd.DataFrame | None:
        """Update the frame.

        Args:
            dataset: What :meth:`prepare_data` gave; default that.
            write: Keep the result in the recorder.
            ret_new: Return the result.

        Returns:
            The updated frame with ``ret_new``; ``None`` without it, or when nothing was to do.
        """
        if self.is_latest:
            _log.info(
                "%s of %s is up to date (%s)", self.fname, self.record.id, self.last_end.date()
            )
            return None
        updated = self.get_update_data(self.prepare_data() if dataset is None else dataset)
        if updated.equals(self.old_data):
            return None
        if write:
            objects: dict[str, Any] = {self.fname: updated}
            self.record.save_objects(**objects)
        return updated if ret_new else None

    def get_update_data(self, dataset: Any) -> pd.DataFrame:
        """The frame with the range of the dataset replaced."""
        raise NotImplementedError  # abstract


class PredUpdater(DSBasedUpdater):
    """Updates the predictions, ``pred.pkl`` (arguments as :class:`DSBasedUpdater`)."""

    def get_update_data(self, dataset: Any) -> pd.DataFrame:
        """The predictions with those of the dataset's test segment replaced."""
        model = self.rmdl.get_model()
        pred = check_pred(model.predict(dataset), type(model).__name__)
        return _replace_days(self.old_data, pred)


class LabelUpdater(DSBasedUpdater):
    """Updates the labels, ``label.pkl`` (arguments as :class:`DSBasedUpdater`)."""

    def __init__(self, record: Recorder, to_date: Any = None, **kwargs: Any) -> None:
        super().__init__(record, to_date=to_date, fname="label.pkl", **kwargs)

    def get_update_data(self, dataset: Any) -> pd.DataFrame:
        """The labels with those of the dataset's test segment replaced."""
        return _replace_days(self.old_data, SignalRecord.generate_label(dataset))


def last_complete_day(frame: pd.DataFrame) -> pd.Timestamp | None:
    """The last day with a row that has no value missing."""
    complete = np.asarray(frame.notna().to_numpy().all(axis=1), dtype=bool)
    days = frame.index.get_level_values("datetime")[complete]
    return pd.Timestamp(days.max()) if len(days) else None


def _market_of(recorder: Recorder) -> Market:
    """The market of a recorder's dataset, else the one that it was trained on."""
    market = getattr(recorder.load_object("dataset"), "market", None)
    return market if isinstance(market, Market) else load_market(recorder)


def _replace_days(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Rows of the new frame's days come from it, all others from the old one."""
    if new.empty:
        return old
    new_days = new.index.get_level_values("datetime")
    old_days = old.index.get_level_values("datetime")
    others = old[(old_days < new_days.min()) | (old_days > new_days.max())]
    if others.empty:
        return new.sort_index()
    frame: pd.DataFrame = pd.concat([others, new]).sort_index()
    return frame


def _last_to_update(to_date: Any, calendar: TradingCalendar) -> pd.Timestamp:
    last = calendar.last_session
    if to_date is None:
        return last
    day = to_day(to_date)
    if day < calendar.sessions[0]:
        raise OnlineError(
            f"to_date {day:%Y-%m-%d} is before the prices, which start on "
            f"{calendar.sessions[0]:%Y-%m-%d}"
        )
    if day > last:
        _log.warning(
            "to_date %s is after the last session with prices: updated to %s",
            day.date(),
            last.date(),
        )
    return min(calendar.align(day, "end"), last)


def _session_before(date: Any, calendar: TradingCalendar) -> pd.Timestamp:
    position = calendar.index(to_day(date)) - 1
    return calendar.sessions[min(max(position, 0), len(calendar) - 1)]
