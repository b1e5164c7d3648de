"""Rolling: what every roll keeps, and what it changes."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wf_dagster import init
from wf_dagster.calendars import TradingCalendar
from wf_dagster.data import PanelDataset
from wf_dagster.errors import CalendarError, TaskError
from wf_dagster.rolling import RollingGen, handler_mod

CALENDAR = TradingCalendar.from_exchange("XNYS", "2015-01-02", "2021-12-31", "2021-03-17")
TRAIN, VALID = ("2015-02-02", "2017-12-29"), ("2018-01-02", "2018-12-20")
KINDS = {"week": "W-SUN", "month": "M", "quarter": "Q", "year": "Y"}
steps = st.integers(1, 300) | st.sampled_from(sorted(KINDS))
kinds = st.sampled_from([RollingGen.ROLL_EX, RollingGen.ROLL_SD])
starts = st.dates(pd.Timestamp("2019-01-01").date(), pd.Timestamp("2021-03-10").date())
ends = st.none() | st.dates(pd.Timestamp("2019-06-01").date(), pd.Timestamp("2023-01-01").date())


def task_of(test=("2019-01-02", None), dataset="package.Data", **kwargs):
    segments = {"train": TRAIN, "valid": VALID, "test": test}
    return {
        "model": "package.Model",
        "dataset": {"class": dataset, "kwargs": {"segments": segments, **kwargs}},
    }


def segments_of(tasks):
    return [task["dataset"]["kwargs"]["segments"] for task in tasks]


def roll(step, rtype=RollingGen.ROLL_EX, test=("2019-01-02", None), trunc_days=None):
    generator = RollingGen(step, rtype, trunc_days=trunc_days, calendar=CALENDAR)
    return segments_of(generator.generate(task_of(test)))


def length(segment):
    return len(CALENDAR.between(*segment))


# what holds for all steps


@settings(max_examples=60, deadline=None)
@given(steps, kinds, starts, ends, st.none() | st.integers(0, 40))
def test_test_segments_tile_the_sessions_from_the_test_start_on(step, rtype, start, end, days):
    rolls = roll(step, rtype, (start, end), days)
    covered = [day for segments in rolls for day in CALENDAR.between(*segments["test"])]
    last = CALENDAR.index(rolls[-1]["test"][1] or CALENDAR.sessions[-1])
    assert covered == list(CALENDAR.sessions[CALENDAR.index(start) : last + 1])


@settings(max_examples=60, deadline=None)
@given(steps, kinds, starts, ends)
def test_rolls_reach_the_asked_end_or_the_last_data_and_no_further(step, rtype, start, end):
    rolls = roll(step, rtype, (start, end))
    limit = min(CALENDAR.last_session, pd.Timestamp(end or CALENDAR.last_session))
    assert len(rolls) == 1 or rolls[-1]["test"][0] <= limit
    assert rolls[-1]["test"][1] is None or rolls[-1]["test"][1] >= CALENDAR.align(limit, "end")


@settings(max_examples=60, deadline=None)
@given(steps, starts)
def test_expanding_keeps_the_train_start_and_sliding_keeps_the_lengths(step, start):
    first, *expanding = roll(step, RollingGen.ROLL_EX, (start, None))
    for segments in expanding:
        assert segments["train"][0] == first["train"][0]
        assert length(segments["train"]) > length(first["train"])
        assert length(segments["valid"]) == length(first["valid"])
    for segments in roll(step, RollingGen.ROLL_SD, (start, None)):
        assert length(segments["train"]) == length(first["train"])
        assert length(segments["valid"]) == length(first["valid"])


@settings(max_examples=60, deadline=None)
@given(steps, kinds, starts, st.integers(0, 300))
def test_with_trunc_days_all_labels_are_known_when_the_first_prediction_is_made(
    step, rtype, start, days
):
    for segments in roll(step, rtype, (start, None), days):
        test_start = CALENDAR.index(segments["test"][0])
        for name in ("train", "valid"):
            last_label_known = CALENDAR.index(segments[name][1]) + days
            assert last_label_known <= test_start


@settings(max_examples=60, deadline=None)
@given(steps, kinds, starts, st.none() | st.integers(0, 300))
def test_every_roll_keeps_its_distance_from_train_to_test(step, rtype, start, days):
    gaps = {
        (
            CALENDAR.interval(segments["test"][0], segments["train"][1]),
            CALENDAR.interval(segments["test"][0], segments["valid"][1]),
        )
        for segments in roll(step, rtype, (start, None), days)
    }
    assert len(gaps) == 1


# steps


@pytest.mark.parametrize("step", KINDS)
def test_a_period_step_tests_on_the_sessions_of_one_period(step):
    rolls = roll(step)
    for segments in rolls:
        period = segments["test"][0].to_period(KINDS[step])
        assert segments["test"] == (
            CALENDAR.align(max(period.start_time, pd.Timestamp("2019-01-02"))),
            CALENDAR.align(period.end_time, "end"),
        )
    assert rolls[-1]["test"][0] <= CALENDAR.last_session <= rolls[-1]["test"][1]


def test_a_period_that_the_calendar_does_not_hold_in_full_is_open():
    calendar = TradingCalendar(CALENDAR.between("2015-01-01", "2019-03-14"))
    tasks = RollingGen("month", calendar=calendar).generate(task_of())
    assert [segments["test"][1] for segments in segments_of(tasks)] == [
        pd.Timestamp("2019-01-31"),
        pd.Timestamp("2019-02-28"),
        None,
    ]


def test_the_first_period_starts_where_the_template_says():
    first, second, *_ = roll("month", test=("2019-01-16", None))
    assert first["test"] == (pd.Timestamp("2019-01-16"), pd.Timestamp("2019-01-31"))
    assert second["test"][0] == pd.Timestamp("2019-02-01")


def test_a_period_without_sessions_makes_no_roll():
    days = CALENDAR.between("2018-01-01", "2019-12-31")
    calendar = TradingCalendar(days[days.to_period("M") != pd.Period("2019-03")])
    template = task_of()
    template["dataset"]["kwargs"]["segments"] = {"test": ("2019-02-01", "2019-05-01")}
    tasks = RollingGen("month", calendar=calendar).generate(template)
    months = [segments["test"][0].month for segments in segments_of(tasks)]
    assert months == [2, 4, 5]


@pytest.mark.parametrize("step", [0, -1, 2.5, "day", "20", True, None, [20]])
def test_a_step_that_is_none_is_refused(step):
    with pytest.raises(TaskError, match=r"step .* is unknown: use a number of sessions"):
        RollingGen(step)


def test_a_numpy_number_is_a_number_of_sessions():
    assert RollingGen(np.int64(20), calendar=CALENDAR).step == 20


@pytest.mark.parametrize("days", [-1, 1.5, "6", False])
def test_trunc_days_must_be_a_number_of_sessions(days):
    with pytest.raises(TaskError, match="trunc_days"):
        RollingGen(20, trunc_days=days)


def test_an_unknown_rtype_is_refused():
    with pytest.raises(TaskError, match="rtype 'rolling' is unknown"):
        RollingGen(20, "rolling")


# the template


def test_the_template_stays_as_it_is():
    template = task_of(handler={"class": "H", "kwargs": {"end_time": "2019-03-01"}})
    before = copy.deepcopy(template)
    RollingGen(20, trunc_days=6, calendar=CALENDAR).generate(template)
    assert template == before


def test_a_copy_function_may_share_parts_and_the_template_still_stays_as_it_is():
    model = object()
    template = task_of(handler={"class": "H", "kwargs": {"end_time": "2019-03-01"}})
    template["model"] = model
    before = copy.deepcopy(template["dataset"])
    tasks = RollingGen(20, task_copy_func=lambda task: task, calendar=CALENDAR).generate(template)
    assert all(task["model"] is model for task in tasks)
    assert template["dataset"] == before
    assert len({task["dataset"]["kwargs"]["segments"]["test"] for task in tasks}) == len(tasks)


def test_the_default_copy_shares_nothing():
    template = task_of(instruments=["A", "B"])
    one, other, *_ = RollingGen(20, calendar=CALENDAR).generate(template)
    one["dataset"]["kwargs"]["instruments"].append("C")
    assert other["dataset"]["kwargs"]["instruments"] == ["A", "B"]
    assert template["dataset"]["kwargs"]["instruments"] == ["A", "B"]


def test_segments_of_other_names_roll_as_well():
    template = task_of()
    template["dataset"]["kwargs"]["segments"] = {
        "fit": TRAIN,
        "calibrate": VALID,
        "live": ("2019-01-02", None),
    }
    generator = RollingGen(20, test_key="live", train_key="fit", trunc_days=30, calendar=CALENDAR)
    first, second, *_ = segments_of(generator.generate(template))
    assert second["fit"][0] == first["fit"][0]
    assert CALENDAR.interval(second["live"][0], first["live"][0]) == 20
    assert CALENDAR.interval(second["live"][0], second["calibrate"][1]) == 30


def test_the_calendar_is_that_of_the_settings_unless_given():
    init(calendar="XNYS")
    tasks = RollingGen("year").generate(task_of())
    assert segments_of(tasks)[-1]["test"][0] == pd.Timestamp("2022-01-03")  # the sample ends there


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"test": None}, CalendarError, r"dataset\.kwargs\.segments\.test: None is no segment"),
        ({"test": (None, None)}, TaskError, r"segments\.test is .*give it a start"),
        ({"test": ("soon", None)}, CalendarError, r"segments\.test: 'soon' is no date"),
        ({"test": ("2030-01-01", None)}, CalendarError, r"segments\.test: no session at or after"),
        ({"train": ("2010-01-04", "2011-01-04")}, CalendarError, r"segments\.train: no session"),
        ({"valid": ["2018-01-02"]}, CalendarError, r"segments\.valid: .* is no segment"),
    ],
)
def test_a_segment_that_cannot_roll_is_named(change, error, message):
    template = task_of()
    template["dataset"]["kwargs"]["segments"] |= change
    with pytest.raises(error, match=message):
        RollingGen(20, calendar=CALENDAR).generate(template)


@pytest.mark.parametrize(
    "dataset",
    [
        None,
        "package.Data",
        {"class": "package.Data"},
        {"class": "package.Data", "kwargs": {}},
        {"class": "package.Data", "kwargs": {"segments": {"train": TRAIN}}},
        {"class": "package.Data", "kwargs": {"segments": 5}},
    ],
)
def test_a_task_without_a_test_segment_is_refused(dataset):
    with pytest.raises(TaskError, match=r"dataset\.kwargs\.segments\.test is missing"):
        RollingGen(20, calendar=CALENDAR).generate({"model": "package.Model", "dataset": dataset})


# ds_extra_mod_func


def test_the_extra_function_sees_each_roll_and_the_generator():
    seen = []

    def note(task, generator):
        task["seen"] = len(seen)
        seen.append((task["dataset"]["kwargs"]["segments"]["test"][0], generator))

    generator = RollingGen(200, ds_extra_mod_func=note, calendar=CALENDAR)
    tasks = generator.generate(task_of())
    assert [task["seen"] for task in tasks] == list(range(len(tasks)))
    assert [start for start, _ in seen] == [segments["test"][0] for segments in segments_of(tasks)]
    assert all(by is generator for _, by in seen)


def handler_ends(end_time, func=handler_mod, test=("2019-01-02", "2020-06-30")):
    handler = {"class": "H", "kwargs": {"start_time": "2015-01-01", "end_time": end_time}}
    generator = RollingGen(200, ds_extra_mod_func=func, calendar=CALENDAR)
    tasks = generator.generate(task_of(test, handler=handler))
    return [task["dataset"]["kwargs"]["handler"]["kwargs"]["end_time"] for task in tasks]


def test_a_handler_reaches_to_the_end_of_its_test_segment():
    test_ends = [segments["test"][1] for segments in roll(200, test=("2019-01-02", "2020-06-30"))]
    assert handler_ends("2018-12-31") == test_ends
    assert handler_ends("2021-12-30") == ["2021-12-30"] * len(test_ends)
    assert handler_ends(None) == [None] * len(test_ends)
    assert handler_ends("2018-12-31", func=None) == ["2018-12-31"] * len(test_ends)


def test_a_handler_that_ended_before_an_open_test_segment_is_opened():
    calendar = TradingCalendar(CALENDAR.between("2015-01-01", "2019-06-28"))
    handler = {"class": "H", "kwargs": {"end_time": "2018-12-31"}}
    tasks = RollingGen(100, calendar=calendar).generate(task_of(handler=handler))
    last = tasks[-1]["dataset"]["kwargs"]
    assert last["segments"]["test"][1] is None
    assert last["handler"]["kwargs"]["end_time"] is None


@pytest.mark.parametrize(
    "handler", ["handler.pkl", None, {"class": "H"}, {"class": "H", "kwargs": None}]
)
def test_a_handler_without_settings_stays_as_it_is(handler):
    for task in RollingGen(200, calendar=CALENDAR).generate(task_of(handler=handler)):
        assert task["dataset"]["kwargs"]["handler"] == handler


# fit times


def fitted(dataset, **options):
    times = {"fit_start_time": "2015-02-02", "fit_end_time": "2017-12-29"}
    scale = {"class": "RobustZScoreNorm", "kwargs": {**times, "clip_outlier": True}}
    handler = {"class": "Alpha158", "kwargs": {**times, "infer_processors": [scale, "Fillna"]}}
    template = task_of(dataset=dataset, handler=handler)
    if isinstance(dataset, dict):
        template["dataset"] |= dataset
    tasks = RollingGen(200, calendar=CALENDAR, **options).generate(template)
    made = []
    for task in tasks:
        settings_ = task["dataset"]["kwargs"]["handler"]["kwargs"]
        inner = settings_["infer_processors"][0]["kwargs"]
        assert inner["clip_outlier"] is True
        assert settings_["infer_processors"][1] == "Fillna"
        assert {key: inner[key] for key in times} == {key: settings_[key] for key in times}
        made.append((settings_["fit_start_time"], settings_["fit_end_time"]))
    trains = [segments["train"] for segments in segments_of(tasks)]
    assert template["dataset"]["kwargs"]["handler"]["kwargs"]["fit_end_time"] == "2017-12-29"
    return made, trains


OURS = [
    "wf_dagster.data.PanelDataset",
    {"class": "PanelDataset", "module_path": "wf_dagster.data"},
    {"class": PanelDataset},
]
THEIRS = [
    "qlib.data.dataset.DatasetH",
    {"class": "DatasetH", "module_path": "qlib.data.dataset"},
    "package.Data",
]


@pytest.mark.parametrize("dataset", OURS)
def test_fit_times_roll_with_the_train_segment_for_datasets_of_this_package(dataset):
    times, trains = fitted(dataset)
    assert times == trains
    assert len(set(times)) == len(times) > 1


@pytest.mark.parametrize("dataset", THEIRS)
def test_fit_times_stay_as_qlib_leaves_them_for_other_datasets(dataset):
    times, trains = fitted(dataset)
    assert times == [("2015-02-02", "2017-12-29")] * len(trains)


@pytest.mark.parametrize("rtype", [RollingGen.ROLL_EX, RollingGen.ROLL_SD])
def test_fit_times_roll_where_they_are_asked_to(rtype):
    times, trains = fitted(THEIRS[0], rtype=rtype, trunc_days=300, fit_with_train=True)
    assert times == trains


def test_fit_times_stay_where_they_are_asked_to():
    times, _ = fitted(OURS[0], fit_with_train=False)
    assert set(times) == {("2015-02-02", "2017-12-29")}
