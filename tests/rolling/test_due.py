"""When a roll can be trained, and rolls that have not begun."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import task_of
from wf_dagster.calendars import TradingCalendar
from wf_dagster.errors import TaskError
from wf_dagster.rolling import RollingGen, Rolls, due_session, why_not_due
from wf_dagster.tasks import fingerprint, label_reach

SESSIONS = TradingCalendar.from_exchange("XNYS", "2015-01-02", "2022-12-30").sessions
LABEL = "wf_dagster.data.labels.forward_return"


def calendar_of(last, ahead=252):
    place = SESSIONS.searchsorted(pd.Timestamp(last), "right") - 1
    return TradingCalendar(SESSIONS[: place + 1 + ahead], SESSIONS[place])


def template_of(start="2019-01-02", end=None, **kwargs):
    template = task_of(start)
    template["dataset"]["kwargs"]["segments"]["test"] = (start, end)
    template["dataset"]["kwargs"] |= kwargs
    return template


def says_nothing(prices):
    return prices


def says_half(prices, horizon=5):
    return prices


@pytest.mark.parametrize(
    ("label", "reach"),
    [
        (LABEL, 6),
        ({"func": LABEL, "kwargs": {"horizon": 20, "lag": 0}}, 20),
        ([LABEL, {"func": LABEL, "kwargs": {"horizon": 10}}], 11),
        (says_nothing, None),
        (says_half, None),
        ([LABEL, says_half], None),
    ],
)
def test_a_label_reaches_as_far_as_all_its_functions_say(label, reach):
    assert label_reach(template_of(label=label)) == reach


def test_a_dataset_without_labels_does_not_say_how_far_they_reach():
    task = {"dataset": {"class": "Roll", "module_path": "wf_dagster.rolling", "kwargs": {}}}
    assert label_reach(task) is None


@pytest.mark.parametrize(
    ("train_end", "due"),
    [
        ("2018-12-19", "2018-12-28"),  # six sessions, Christmas between
        ("2018-12-21", "2019-01-02"),
        ("2018-12-31", "2019-01-02"),  # labels known later: the test segment begins before
        (None, "2019-01-02"),
    ],
)
def test_a_roll_is_due_when_its_labels_are_known_or_its_test_begins(train_end, due):
    task = template_of()
    segments = task["dataset"]["kwargs"]["segments"]
    segments["train"] = ("2016-01-04", train_end)
    assert due_session(task, calendar_of("2018-06-01")) == pd.Timestamp(due)
    segments["valid"] = ("2018-11-01", "2018-12-31")
    assert due_session(task, calendar_of("2018-06-01")) == pd.Timestamp("2019-01-02")


def test_a_label_that_does_not_say_waits_for_the_test_segment():
    task = template_of(label=says_nothing)
    assert due_session(task, calendar_of("2018-06-01")) == pd.Timestamp("2019-01-02")


def test_a_task_without_test_segment_is_never_due():
    task = template_of()
    del task["dataset"]["kwargs"]["segments"]["test"]
    with pytest.raises(TaskError, match=r"segments\.test is missing"):
        due_session(task, calendar_of("2018-06-01"))


def test_a_roll_says_when_it_is_due():
    calendar = calendar_of("2019-03-15")
    generator = RollingGen("month", trunc_days=7, calendar=calendar)
    rolls = Rolls.from_template(template_of(), generator, until="2019-05-31")
    assert rolls.keys[-3:] == ["2019-03-01", "2019-04-01", "2019-05-01"]
    april = rolls.resolve("2019-04-01")
    due = due_session(april.task, calendar)
    assert due == pd.Timestamp("2019-03-29")  # the evening before the first session of April
    assert why_not_due(rolls.resolve("2019-03-01"), calendar) is None
    assert why_not_due(april, calendar) == (
        "roll 2019-04-01 cannot be trained yet: it is due at the close of 2019-03-29, and the "
        "last session with prices is 2019-03-15; materialize it then"
    )
    assert why_not_due(april, calendar_of("2019-03-28")) is not None
    assert why_not_due(april, calendar_of("2019-03-29")) is None
    assert "cannot be trained yet: dataset" in str(why_not_due(april, calendar_of("2018-01-02", 9)))


@settings(max_examples=60, deadline=None)
@given(
    step=st.one_of(st.integers(1, 90), st.sampled_from(["week", "month", "quarter", "year"])),
    rtype=st.sampled_from([RollingGen.ROLL_EX, RollingGen.ROLL_SD]),
    trunc=st.sampled_from([None, 7]),
    warm=st.booleans(),
    last=st.dates(pd.Timestamp("2018-10-01").date(), pd.Timestamp("2020-06-01").date()),
    later=st.integers(1, 200),
    ahead=st.integers(0, 260),
    end=st.sampled_from([None, "2019-06-14", "2020-02-10"]),
)
def test_rolls_of_the_future_are_the_tasks_that_a_later_load_makes(
    step, rtype, trunc, warm, last, later, ahead, end
):
    template = template_of("2018-10-01", end)
    template["dataset"]["kwargs"]["segments"]["valid"] = ("2018-06-01", "2018-09-10")
    early = calendar_of(last, ahead)

    def load(calendar, until=None):
        generator = RollingGen(step, rtype, trunc_days=trunc, warm_start=warm, calendar=calendar)
        return Rolls.from_template(template, generator, until=until)

    foreseen = load(early, early.sessions[-1])
    begun = load(early)
    afterwards = load(calendar_of(early.last_session + pd.Timedelta(days=later), 260))
    made_later = {roll.key: fingerprint(roll.task) for roll in afterwards}
    assert foreseen.keys[: len(begun)] == begun.keys
    for roll in list(foreseen)[len(begun) :]:
        assert roll.test[1] is not None
        assert roll.test[1] <= early.sessions[-1]
        assert end is None or roll.test[0] <= pd.Timestamp(end)
    for roll in foreseen:
        if roll.has_begun(afterwards.calendar) and roll.test[1] is not None:
            assert made_later[roll.key] == fingerprint(roll.task)
    assert foreseen.test_sessions().equals(begun.test_sessions())


def test_no_roll_before_the_date_is_missing():
    calendar = calendar_of("2019-03-15")
    rolls = Rolls.from_template(
        template_of(), RollingGen(20, calendar=calendar), until="2019-12-31"
    )
    starts = pd.DatetimeIndex([roll.test[0] for roll in rolls])
    assert len(starts) == 13
    assert starts.equals(SESSIONS[SESSIONS.get_loc("2019-01-02") :][::20][:13])
    assert starts[-1] <= pd.Timestamp("2019-12-31")
