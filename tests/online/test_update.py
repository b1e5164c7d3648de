"""Updaters change the dates they are asked to change, and nothing else."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.online.market import REACH, SESSIONS, TEST, day, template, use_prices
from tests.online.models import Handled
from wf_dagster import LabelUpdater, OnlineToolR, PredUpdater, R, RMDLoader, task_train
from wf_dagster.errors import ObjectNotFoundError, OnlineError
from wf_dagster.market import Market
from wf_dagster.online.recorder_updates import update_recorder
from wf_dagster.tracking import Recorder

LAST = TEST + 9  # the session at which the recorder was trained


def trained(until: int = LAST, **given: Any) -> Recorder:
    task = template()
    segments = task["dataset"]["kwargs"]["segments"]
    segments["train"] = (segments["train"][0], day(TEST - 1 - REACH))
    task["dataset"] = {**task["dataset"], **given}
    return task_train(task, "updated", market=as_of(until))


def as_of(position: int) -> Market:
    return Market(as_of=day(position))


def days(frame: pd.DataFrame) -> list[str]:
    return [f"{d:%Y-%m-%d}" for d in frame.index.get_level_values("datetime").unique()]


def span(first: int, last: int) -> list[str]:
    return [day(n) for n in range(first, last + 1)]


@pytest.fixture
def recorder(market: Path) -> Recorder:
    made = trained()
    assert days(made.load_object("pred.pkl")) == span(TEST, LAST)
    return made


@pytest.fixture
def whole(market: Path) -> pd.DataFrame:
    """The predictions of a recorder that was trained with all prices there."""
    return trained(len(SESSIONS) - 1).load_object("pred.pkl")


def stamp(recorder: Recorder) -> dict[str, int]:
    folder = Path(recorder.get_local_dir()) / "artifacts"
    return {f.name: f.stat().st_mtime_ns for f in folder.iterdir() if f.is_file()}


# ---- which dates


@pytest.mark.parametrize(
    ("to_date", "last"),
    [
        (None, len(SESSIONS) - 1),
        (day(LAST + 2), LAST + 2),
        ("2035-01-01", len(SESSIONS) - 1),
        ("2020-05-03", SESSIONS.get_loc("2020-05-01")),  # a Sunday
        (day(LAST - 3), LAST),  # there already
        (day(LAST), LAST),
    ],
)
def test_up_to_a_date(recorder: Recorder, whole: pd.DataFrame, to_date: Any, last: int) -> None:
    PredUpdater(recorder, to_date=to_date).update()
    found = recorder.load_object("pred.pkl")
    assert days(found) == span(TEST, last)
    pd.testing.assert_frame_equal(found, whole.loc[: day(last)], rtol=0, atol=1e-12)


def test_a_date_past_the_prices_is_said(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        PredUpdater(recorder, to_date="2035-01-01")
    assert "2035-01-01 is after the last session with prices" in caplog.text


def test_a_date_before_the_prices_is_refused(recorder: Recorder) -> None:
    before = stamp(recorder)
    message = r"to_date 2019-12-31 is before the prices, which start on 2020-01-02"
    with pytest.raises(OnlineError, match=message):
        PredUpdater(recorder, to_date="2019-12-31")
    assert stamp(recorder) == before


@pytest.mark.parametrize(
    ("from_date", "to_date", "changed"),
    [
        (day(TEST + 2), day(TEST + 4), span(TEST + 2, TEST + 4)),
        ("2020-04-19", day(TEST + 4), span(TEST + 4, TEST + 4)),  # a Sunday, before TEST + 4
        (day(TEST), day(TEST), span(TEST, TEST)),
        (day(LAST), None, span(LAST, len(SESSIONS) - 1)),
        (day(TEST + 5), day(TEST + 4), []),
        ("2035-01-01", None, []),
    ],
)
def test_only_the_dates_that_are_asked_for_change(
    market: Path,
    prices: pd.DataFrame,
    recorder: Recorder,
    from_date: str,
    to_date: str | None,
    changed: list[str],
) -> None:
    assert SESSIONS[TEST + 4] == pd.Timestamp("2020-04-20")
    old = recorder.load_object("pred.pkl")
    restated = prices.copy()
    restated["close"] *= 1 + 0.01 * restated.index.to_series().mod(7)
    use_prices(market, restated)
    PredUpdater(recorder, to_date=to_date, from_date=from_date).update()
    new = recorder.load_object("pred.pkl")
    rows = old.index.intersection(new.index)
    differ = (old.loc[rows] != new.loc[rows]).any(axis=1)
    moved = {*days(old.loc[rows][differ]), *days(new.loc[new.index.difference(rows)])}
    assert sorted(moved) == changed
    assert days(new) == sorted({*days(old), *changed})
    assert new.index.is_monotonic_increasing
    assert new.index.is_unique


def test_again_changes_nothing(recorder: Recorder) -> None:
    assert update_recorder(recorder, market=Market()) == (True, True)
    before = stamp(recorder)
    assert update_recorder(recorder, market=Market()) == (False, False)
    for updater in (PredUpdater(recorder), LabelUpdater(recorder)):
        assert updater.update(ret_new=True) is None
    # the same dates computed again are the same
    PredUpdater(recorder, from_date=day(TEST)).update()
    LabelUpdater(recorder, from_date=day(TEST)).update()
    assert stamp(recorder) == before


def test_what_is_made_need_not_be_written(recorder: Recorder) -> None:
    before = stamp(recorder)
    made = PredUpdater(recorder, to_date=day(LAST + 1)).update(write=False, ret_new=True)
    assert days(made) == span(TEST, LAST + 1)
    assert stamp(recorder) == before


def test_labels_are_taken_in_as_they_become_known(recorder: Recorder, whole: pd.DataFrame) -> None:
    for position in (LAST, LAST + 1, LAST + 4):
        LabelUpdater(recorder, market=as_of(position)).update()
        label = recorder.load_object("label.pkl")["label"]
        assert days(label) == span(TEST, position)
        assert days(label.dropna()) == span(TEST, position - REACH)


# ---- what is there to update


def test_a_recorder_that_was_trained_before_its_first_session(
    market: Path, whole: pd.DataFrame
) -> None:
    recorder = trained(TEST - 1)
    assert recorder.load_object("pred.pkl").empty
    assert update_recorder(recorder, market=as_of(TEST - 1)) == (False, False)
    assert update_recorder(recorder, market=as_of(TEST + 1)) == (True, True)
    assert days(recorder.load_object("pred.pkl")) == span(TEST, TEST + 1)
    assert recorder.load_object("label.pkl")["label"].isna().all()


def test_what_a_recorder_lacks_is_skipped_with_the_reason(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    with R.start(experiment_name="updated"):
        bare = R.get_recorder()
    with pytest.raises(ObjectNotFoundError, match=r"holds no 'pred.pkl'"):
        PredUpdater(bare)
    tool = OnlineToolR("updated")
    tool.reset_online_tag([bare, recorder])
    with caplog.at_level(logging.WARNING):
        assert tool.update_online_pred() == [recorder]
    assert f"leaves recorder {bare.id} out" in caplog.text
    assert "holds no 'pred.pkl'" in caplog.text
    assert tool.update_online_label() == [recorder]
    assert tool.update_online_pred() == []


def test_a_dataset_of_ones_own_updates_several(recorder: Recorder) -> None:
    updaters = [PredUpdater(recorder), LabelUpdater(recorder)]
    dataset = updaters[0].prepare_data(recorder.load_object("dataset"))
    assert dataset.segments == {"test": (SESSIONS[LAST + 1], SESSIONS[-1])}
    updaters[0].update(dataset)
    assert days(recorder.load_object("pred.pkl")) == span(TEST, len(SESSIONS) - 1)


@pytest.mark.parametrize(("hist_ref", "back"), [(None, 3), (0, 0), (6, 6), (10_000, LAST + 1)])
def test_a_dataset_that_looks_back_is_loaded_from_further_back(
    recorder: Recorder, hist_ref: int | None, back: int
) -> None:
    dataset = PredUpdater(recorder, to_date=day(LAST + 3), hist_ref=hist_ref).prepare_data(
        Handled()
    )
    config, _ = dataset.told
    assert config == {
        "handler_kwargs": {"start_time": SESSIONS[LAST + 1 - back], "end_time": SESSIONS[LAST + 3]},
        "segments": {"test": (SESSIONS[LAST + 1], SESSIONS[LAST + 3])},
    }


def test_how_far_a_dataset_looks_back_is_found_in_the_recorder(market: Path) -> None:
    recorder = trained(**{"class": "StepDataset", "module_path": "tests.online.models"})
    recorder.trusted.add("tests.online.models")
    seen: list[Any] = []

    class Noting(RMDLoader):
        def get_dataset(self, start_time: Any, end_time: Any, *args: Any, **kwargs: Any) -> Any:
            seen.append((start_time, end_time))
            return super().get_dataset(start_time, end_time, *args, **kwargs)

    PredUpdater(recorder, to_date=day(LAST + 2), loader_cls=Noting).update()
    assert seen == [(SESSIONS[LAST + 1 - 4], SESSIONS[LAST + 2])]
    assert days(recorder.load_object("pred.pkl")) == span(TEST, LAST + 2)


# ---- prices that come and go


def test_instruments_appear_and_disappear(
    market: Path, prices: pd.DataFrame, recorder: Recorder
) -> None:
    late, gone = prices["datetime"] > SESSIONS[LAST], prices["instrument"] == "S0"
    new = prices[prices["instrument"] == "S1"].assign(instrument="NEW")
    changed = pd.concat([prices[~(late & gone)], new]).sort_values(["datetime", "instrument"])
    use_prices(market, changed)
    update_recorder(recorder, market=Market())
    pred = recorder.load_object("pred.pkl")
    names = [set(pred.loc[d].index) for d in (day(LAST), day(LAST + 1))]
    assert names[0] == {f"S{n}" for n in range(6)}
    assert names[1] == {"NEW", *(f"S{n}" for n in range(1, 6))}
    assert update_recorder(recorder, market=Market()) == (False, False)


def test_a_session_without_prices_is_passed_over(
    market: Path, prices: pd.DataFrame, recorder: Recorder
) -> None:
    use_prices(market, prices[prices["datetime"] != SESSIONS[LAST + 1]])
    assert update_recorder(recorder, market=as_of(LAST + 1))[0] is False
    update_recorder(recorder, day(LAST + 3), market=Market())
    assert days(recorder.load_object("pred.pkl")) == [*span(TEST, LAST), *span(LAST + 2, LAST + 3)]


def test_freq_is_days(recorder: Recorder) -> None:
    with pytest.raises(OnlineError, match="freq '1min' is not known"):
        PredUpdater(recorder, freq="1min")
