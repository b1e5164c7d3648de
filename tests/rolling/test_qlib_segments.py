"""The same segments as Qlib 0.9.7, and right ones where it has no answer.

``record_qlib_segments.py`` recorded what Qlib says.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from wf_dagster.calendars import TradingCalendar
from wf_dagster.errors import CalendarError, TaskError
from wf_dagster.rolling import MultiHorizonGenBase, RollingGen

QLIB = json.loads(Path(__file__).with_name("qlib_segments.json").read_text())
SESSIONS = QLIB["sessions"]
POSITION = {pd.Timestamp(day): place for place, day in enumerate(SESSIONS)}
CALENDARS = {
    name: TradingCalendar(SESSIONS[:length], SESSIONS[QLIB["data"] - 1])
    for name, length in QLIB["calendars"].items()
}
SEGMENTS = {
    name: {key: tuple(pair) for key, pair in segments.items()}
    for name, segments in QLIB["templates"].items()
}


def task_of(segments, **kwargs):
    return {
        "model": "package.Model",
        "dataset": {"class": "package.Data", "kwargs": {"segments": segments, **kwargs}},
    }


def places(task):
    segments = task["dataset"]["kwargs"]["segments"]
    dates = [date for name in sorted(segments) for date in segments[name]]
    return [None if date is None else POSITION[date] for date in dates]


def rolls(case):
    calendar, template, step, rtype, trunc_days = case
    generator = RollingGen(step, rtype, trunc_days=trunc_days, calendar=CALENDARS[calendar])
    return generator.generate(task_of(SEGMENTS[template]))


def truncation(row):
    return row["case"][4] is not None


ANSWERED = [row for row in QLIB["rolls"] if "raises" not in row]
RAISED = [row for row in QLIB["rolls"] if "raises" in row]


def test_the_record_is_of_the_release_that_is_followed():
    assert QLIB["qlib"] == "0.9.7"
    assert len(ANSWERED) > 1500


@pytest.mark.parametrize("template", sorted(set(SEGMENTS) - {"segment_after_test"}))
def test_every_roll_has_the_segments_that_qlib_gives_it(template):
    cases = [row for row in ANSWERED if row["case"][1] == template]
    differing = [
        row["case"]
        for row in cases
        if [places(task) for task in rolls(row["case"])] != QLIB["answers"][row["rolls"]]
    ]
    assert differing == []


def test_qlib_raises_only_where_the_tests_below_say_what_is_right():
    kinds = Counter((row["case"][1], truncation(row)) for row in RAISED)
    assert {template for template, truncated in kinds if truncated} == {
        # min(None, ...) in its truncation
        *OPEN,
        # it refuses a cut at, or a segment that starts with, the very first session
        *FROM_THE_FIRST,
        # a cut before the calendar
        "test_end_open",
        # nothing to roll
        *UNROLLABLE,
    }
    assert {template for template, truncated in kinds if not truncated} == {
        *AT_THE_END,
        *UNROLLABLE,
    }


# The next test start falls one session past the calendar, and Qlib compares None with a date.
AT_THE_END = [
    f"test_end_{end}"
    for end in ("open", "last_data", "after_data", "last_session", "after_calendar")
]
UNROLLABLE = {
    "test_after_calendar": CalendarError,
    "test_from_last_session": CalendarError,  # which is past the calendar without a future
    "test_start_open": TaskError,
}
OPEN = ["train_start_open", "train_end_open", "train_all_open", "valid_end_open"]
FROM_THE_FIRST = [
    "train_from_first_session",
    "train_before_calendar",
    "test_from_first_session",
]


@pytest.mark.parametrize("template", AT_THE_END)
def test_no_roll_is_made_where_the_next_test_start_falls_one_session_past_the_calendar(template):
    cases = [row for row in RAISED if row["case"][1] == template and not truncation(row)]
    assert cases
    for row in cases:
        made = [places(task) for task in rolls(row["case"])]
        assert made == QLIB["answers"][row["rolls"]]  # the rolls it had made by then
        assert made[-1][1] == len(CALENDARS[row["case"][0]]) - 1


@pytest.mark.parametrize("template", [*OPEN, *FROM_THE_FIRST])
def test_open_ends_and_the_first_session_are_truncated_as_other_dates_are(template):
    cases = [row for row in RAISED if row["case"][1] == template and truncation(row)]
    assert cases
    for row in cases:
        name, _, _, _, days = row["case"]
        calendar = CALENDARS[name]
        whole = [task["dataset"]["kwargs"]["segments"] for task in rolls([*row["case"][:4], None])]
        limit = calendar.index(whole[0]["test"][0]) - days
        if limit < 0:
            with pytest.raises(CalendarError, match=f"{days} sessions before the test start"):
                rolls(row["case"])
            continue
        made = [task["dataset"]["kwargs"]["segments"] for task in rolls(row["case"])]
        assert [new["test"] for new in made] == [old["test"] for old in whole]
        for old, new in zip(whole, made, strict=True):
            cut = calendar.session_at(calendar.index(new["test"][0]) - days)
            for segment in set(new) - {"test"}:
                (old_start, old_end), (start, end) = old[segment], new[segment]
                assert start == (old_start if old_start is None else min(old_start, cut))
                assert end == (cut if old_end is None else min(old_end, cut))


def test_a_cut_before_the_calendar_is_refused():
    cases = [row for row in RAISED if row["case"][1] == "test_end_open" and truncation(row)]
    assert cases
    for row in cases:
        with pytest.raises(CalendarError, match="is before the calendar"):
            rolls(row["case"])


@pytest.mark.parametrize("template", UNROLLABLE)
def test_a_template_that_cannot_roll_says_why(template):
    for row in RAISED:
        if row["case"][1] == template:
            with pytest.raises(UNROLLABLE[template], match=r"dataset\.kwargs\.segments\.test"):
                rolls(row["case"])


def test_rolling_stops_where_a_segment_after_the_test_would_leave_the_calendar():
    """Qlib makes it (None, None) where it starts one session past the calendar: all data."""
    cases = [row for row in ANSWERED if row["case"][1] == "segment_after_test"]
    cut = 0
    for row in cases:
        watch_starts, theirs = 4, QLIB["answers"][row["rolls"]]
        usable = [roll for roll in theirs if roll[watch_starts] is not None]
        assert [places(task) for task in rolls(row["case"])] == usable
        cut += len(usable) < len(theirs)
    assert cut > 0


def following(case):
    calendar, test, end, step, rtype = case
    segments = {"train": (SESSIONS[4], SESSIONS[42])}
    segments["test"] = tuple(None if place is None else SESSIONS[place] for place in test)
    generator = RollingGen(step, rtype, calendar=CALENDARS[calendar])
    until = None if end is None else SESSIONS[end]
    return [places(task) for task in generator.gen_following_tasks(task_of(segments), until)]


def test_the_rolls_after_a_given_one_are_those_of_qlib():
    answered = [row for row in QLIB["following"] if "raises" not in row]
    assert len(answered) > 100
    for row in answered:
        assert following(row["case"]) == QLIB["answers"][row["rolls"]], row["case"]


def test_the_rolls_after_a_given_one_end_with_the_calendar():
    raised = [row for row in QLIB["following"] if "raises" in row and row["case"][2] is not None]
    assert raised
    for row in raised:
        assert following(row["case"]) == QLIB["answers"][row["rolls"]], row["case"]


def test_without_an_end_the_rolls_after_a_given_one_reach_the_last_session_with_data():
    for row in [row for row in QLIB["following"] if row["case"][2] is None]:
        calendar, test, _, step, rtype = row["case"]
        assert following(row["case"]) == following([calendar, test, QLIB["data"] - 1, step, rtype])


def handler_ends(case):
    calendar, template, end_time = case
    settings = {} if end_time == "absent" else {"end_time": end_time}
    handler = {"class": "H", "kwargs": {"start_time": "2021-01-04", **settings}}
    task = task_of(SEGMENTS[template], handler="handler.pkl" if end_time == "string" else handler)
    ends = []
    for made in RollingGen(20, calendar=CALENDARS[calendar]).generate(task):
        new = made["dataset"]["kwargs"]["handler"]
        end = new if isinstance(new, str) else new["kwargs"].get("end_time", "absent")
        ends.append(f"{end:%Y-%m-%d}" if isinstance(end, pd.Timestamp) else end)
    return ends


def test_the_handler_reaches_as_far_as_in_qlib():
    """Except before an open test end: there Qlib leaves a handler that has ended long before."""
    opened = 0
    for row in QLIB["handlers"]:
        calendar, template, _ = row["case"]
        for place, (ours, theirs) in enumerate(
            zip(handler_ends(row["case"]), row["ends"], strict=True)
        ):
            if ours == theirs:
                continue
            start, end = rolls([calendar, template, 20, "expanding", None])[place]["dataset"][
                "kwargs"
            ]["segments"]["test"]
            assert (ours, end) == (None, None), row["case"]
            assert pd.Timestamp(theirs) < start, row["case"]
            opened += 1
    assert opened > 0


class Horizons(MultiHorizonGenBase):
    def set_horizon(self, task, hr):
        task["horizon"] = hr


def horizons(case):
    calendar, template, horizon, leak = case
    generator = Horizons(horizon, leak, calendar=CALENDARS[calendar])
    return [
        [task["horizon"], *places(task)] for task in generator.generate(task_of(SEGMENTS[template]))
    ]


def test_every_horizon_has_the_segments_that_qlib_gives_it():
    answered = [row for row in QLIB["horizons"] if "raises" not in row]
    assert len(answered) > 100
    for row in answered:
        if row["case"][1] == "test_start_open":  # it takes the end for the start
            with pytest.raises(TaskError, match="give it a start"):
                horizons(row["case"])
            continue
        if row["case"][1] == "test_end_before_start":  # and so here
            continue
        assert horizons(row["case"]) == QLIB["answers"][row["rolls"]], row["case"]
