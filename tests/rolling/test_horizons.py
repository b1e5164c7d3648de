"""A task for each horizon, none of which learns from its test segment."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from wf_dagster.calendars import TradingCalendar
from wf_dagster.data import PanelDataset
from wf_dagster.data.labels import forward_return, looks_ahead
from wf_dagster.errors import CalendarError, TaskError
from wf_dagster.prices import SamplePrices
from wf_dagster.rolling import MultiHorizonGen, MultiHorizonGenBase
from wf_dagster.tasks import init_instance, label_horizon, label_reach
from wf_dagster.tasks.label_expressions import expression_horizon

CALENDAR = TradingCalendar.from_exchange("XNYS", "2018-01-02", "2020-12-31")
RETURN = "wf_dagster.data.labels.forward_return"


def task_of(**kwargs):
    segments = {
        "train": ("2018-02-01", "2019-11-29"),
        "valid": ("2019-12-02", "2019-12-31"),
        "test": ("2020-01-02", "2020-06-30"),
    }
    return {
        "model": "package.Model",
        "dataset": {
            "class": "PanelDataset",
            "module_path": "wf_dagster.data",
            "kwargs": {"segments": segments, **kwargs},
        },
    }


def test_a_horizon_is_set_in_the_label_and_what_the_label_says_stays():
    label = {"func": RETURN, "kwargs": {"lag": 2, "horizon": 5}}
    tasks = MultiHorizonGen([1, 10], calendar=CALENDAR).generate(task_of(label=label))
    assert [task["dataset"]["kwargs"]["label"] for task in tasks] == [
        {"func": RETURN, "kwargs": {"lag": 2, "horizon": 1}},
        {"func": RETURN, "kwargs": {"lag": 2, "horizon": 10}},
    ]
    assert [label_horizon(task) for task in tasks] == [1, 10]


@pytest.mark.parametrize(
    ("label", "made"),
    [
        ({}, {"func": RETURN, "kwargs": {"horizon": 3}}),
        ({"label": RETURN}, {"func": RETURN, "kwargs": {"horizon": 3}}),
        ({"label": forward_return}, {"func": forward_return, "kwargs": {"horizon": 3}}),
        (
            {"label": [RETURN, {"func": RETURN, "kwargs": {"lag": 0}}]},
            [
                {"func": RETURN, "kwargs": {"horizon": 3}},
                {"func": RETURN, "kwargs": {"lag": 0, "horizon": 3}},
            ],
        ),
    ],
)
def test_a_label_may_be_written_in_all_ways_that_the_dataset_takes(label, made):
    (task,) = MultiHorizonGen([3], calendar=CALENDAR).generate(task_of(**label))
    assert task["dataset"]["kwargs"]["label"] == made


def test_all_labels_are_known_before_the_first_test_session():
    """As measured: prices from the test start on are changed, and no label to learn from moves."""
    for horizon in (1, 5, 20):
        (task,) = MultiHorizonGen([horizon], calendar=CALENDAR).generate(task_of())
        seen, hidden = SamplePrices(), SamplePrices(as_of="2019-12-31")
        for segment in ("train", "valid"):
            labels = [
                init_instance(task["dataset"], prices=prices).prepare(segment, "label", "raw")
                for prices in (seen, hidden)
            ]
            np.testing.assert_array_equal(*[frame.to_numpy() for frame in labels])
            assert not np.isnan(labels[0].to_numpy()[-1]).any()


def test_one_session_less_and_a_label_would_not_be_known_before_the_test():
    generator = MultiHorizonGen([5], label_leak_n=0, calendar=CALENDAR)
    with pytest.raises(TaskError, match=r"trades 1 sessions after.*use label_leak_n=2"):
        generator.generate(task_of())
    (task,) = MultiHorizonGen([5], label_leak_n=1, calendar=CALENDAR).generate(task_of())
    kwargs = task["dataset"]["kwargs"]
    last = PanelDataset(**kwargs, prices=SamplePrices(as_of="2019-12-31"))
    assert np.isnan(last.prepare("valid", "label", "raw").to_numpy()[-1]).all()


def test_the_template_stays_as_it_is():
    template = task_of(label={"func": RETURN, "kwargs": {}})
    before = copy.deepcopy(template)
    MultiHorizonGen([1, 5], calendar=CALENDAR).generate(template)
    assert template == before


def without_horizon(prices):
    return prices


class WithoutLabel:
    """A dataset as Qlib's are: the label is inside the handler."""

    def __init__(self, handler, segments, **kwargs):
        pass


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (f"{__name__}.without_horizon", "without_horizon takes no 'horizon'"),
        ("wf_dagster.data.labels.backward_return", "has no 'backward_return'"),
        ({"kwargs": {"horizon": 5}}, r"dataset\.kwargs\.label is .*use \{'func'"),
        (5, r"dataset\.kwargs\.label is 5"),
        (None, r"dataset\.kwargs\.label is missing"),
        ({"func": RETURN, "kwargs": {"lag": 4}}, "use label_leak_n=5"),
    ],
)
def test_a_label_whose_horizon_cannot_be_set_is_refused(label, message):
    with pytest.raises(TaskError, match=message):
        MultiHorizonGen([5], calendar=CALENDAR).generate(task_of(label=label))


def test_a_dataset_that_is_no_configuration_is_refused():
    with pytest.raises(TaskError, match="a generator needs"):
        MultiHorizonGen([5], calendar=CALENDAR).generate(
            {"model": "package.Model", "dataset": PanelDataset({"test": ("2020-01-02", None)})}
        )


def test_a_horizon_longer_than_the_past_is_refused():
    with pytest.raises(CalendarError, match="902 sessions before the test start"):
        MultiHorizonGen([900], calendar=CALENDAR).generate(task_of())


@pytest.mark.parametrize("horizon", [5, "5", [0], [2.5], [True], None, {"a": 1}])
def test_horizons_are_a_list_of_numbers_of_sessions(horizon):
    with pytest.raises(TaskError, match="horizon"):
        MultiHorizonGen(horizon)


def test_the_base_leaves_it_to_its_children_how_a_horizon_is_set():
    with pytest.raises(TypeError, match="set_horizon"):
        MultiHorizonGenBase([5])


def test_the_calendar_is_that_of_the_settings_unless_given():
    (task,) = MultiHorizonGen([5]).generate(task_of())
    given = MultiHorizonGen([5], calendar=CALENDAR).generate(task_of())
    assert [task] == given


def test_a_label_that_says_no_horizon_spans_the_one_it_has_by_default():
    assert label_horizon(task_of()) == 5
    assert label_horizon(task_of(label=RETURN)) == 5
    assert label_horizon({"dataset": "wf_dagster.data.PanelDataset"}) == 5
    assert label_horizon({"dataset": PanelDataset({}, label={"func": RETURN, "kwargs": None})}) == 5


def test_the_longest_of_several_labels_counts():
    both = [{"func": RETURN, "kwargs": {"horizon": horizon}} for horizon in (2, 9)]
    assert label_horizon(task_of(label=both)) == 9


def test_the_horizon_of_a_label_that_does_not_say_it_is_not_known():
    assert label_horizon(task_of(label=f"{__name__}.without_horizon")) is None
    assert label_horizon({"dataset": {"class": WithoutLabel, "kwargs": {}}}) is None
    both = [RETURN, f"{__name__}.without_horizon"]
    assert label_horizon(task_of(label=both)) is None


@looks_ahead(horizon=7, lag=0)
def fixed(prices):
    return prices


@looks_ahead(horizon="days", lag="wait")
def by_parameters(prices, days=10, wait=1):
    return prices


@pytest.mark.parametrize(
    ("label", "horizon", "reach"),
    [
        (f"{__name__}.fixed", 7, 7),
        (f"{__name__}.by_parameters", 10, 11),
        ({"func": f"{__name__}.by_parameters", "kwargs": {"days": 3, "wait": 2}}, 3, 5),
        ([f"{__name__}.fixed", RETURN], 7, 7),
        ([f"{__name__}.fixed", f"{__name__}.without_horizon"], None, None),
    ],
)
def test_a_label_of_ones_own_says_how_far_it_looks_ahead(label, horizon, reach):
    task = task_of(label=label)
    assert label_horizon(task) == horizon
    assert label_reach(task) == reach


def test_a_record_of_the_task_says_the_horizon_of_a_label_that_cannot():
    task = task_of(label=f"{__name__}.without_horizon")
    task["record"] = ["SignalRecord", {"class": "SigAnaRecord", "kwargs": {"label_horizon": 4}}]
    assert label_horizon(task) == 4


def test_a_horizon_is_set_by_the_parameter_that_the_label_names():
    template = task_of(label={"func": f"{__name__}.by_parameters", "kwargs": {"wait": 2}})
    (task,) = MultiHorizonGen([15], calendar=CALENDAR).generate(template)
    assert task["dataset"]["kwargs"]["label"]["kwargs"] == {"wait": 2, "days": 15}
    assert (label_horizon(task), label_reach(task)) == (15, 17)
    with pytest.raises(TaskError, match="fixed spans 7 sessions whatever it is given"):
        MultiHorizonGen([15], calendar=CALENDAR).generate(task_of(label=f"{__name__}.fixed"))
    template["dataset"]["kwargs"]["label"]["kwargs"]["wait"] = 3
    with pytest.raises(TaskError, match=r"by_parameters trades 3 sessions after.*label_leak_n=4"):
        MultiHorizonGen([15], calendar=CALENDAR).generate(template)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"horizon": 0, "lag": 0}, r"looks_ahead\(horizon=0\) of label: use a number of sessions"),
        ({"horizon": "horizon", "lag": -1}, r"looks_ahead\(lag=-1\)"),
        ({"horizon": 5.0, "lag": 0}, r"horizon=5\.0"),
        ({"horizon": "span", "lag": 0}, "label has no parameter 'span', it has prices, horizon"),
        ({"horizon": 5, "lag": 0}, "label has a parameter 'horizon', .* write horizon='horizon'"),
    ],
)
def test_what_is_no_look_ahead_is_refused_where_it_is_written(arguments, message):
    def label(prices, horizon=3):
        return prices

    with pytest.raises(TaskError, match=message):
        looks_ahead(**arguments)(label)


@pytest.mark.parametrize(
    ("expression", "horizon"),
    [
        ("Ref($close, -2)/Ref($close, -1) - 1", 1),  # Alpha158's own
        ("Ref($close, -11) / Ref($close, -1) - 1", 10),
        ("Ref($close,-5)/$close-1", 5),
        ("Log(Ref($vwap, -6) / Ref($open, -1))", 5),
        ("-(Ref(Ref($close, -3), -2) / Ref($close, 1) - 1)", 6),
        ("$close / Ref($close, 1) - 1", None),  # looks back
        ("Ref($change, -1)", None),
        ("Mean(Ref($close, -5), 5) / $close", None),
        ("Ref($close, 0) / Ref($close, -1)", None),  # the first close of all
        ("Ref($close, -2", None),
    ],
)
def test_the_horizon_of_an_expression_is_read(expression, horizon):
    assert expression_horizon(expression) == horizon


def test_the_horizon_of_a_handlers_labels_is_read():
    def task(**handler):
        kwargs = {"handler": {"class": "Handler", "module_path": "nowhere", "kwargs": handler}}
        return {"dataset": {"class": WithoutLabel, "kwargs": kwargs}}

    one, five = "Ref($close, -2)/Ref($close, -1) - 1", "Ref($close, -6)/Ref($close, -1) - 1"
    assert label_horizon(task(label=[five])) == 5
    assert label_horizon(task(label=([five], ["LABEL0"]))) == 5
    assert label_horizon(task(label=[one, five])) == 5
    assert label_horizon(task(label=[one, "Mean($close, 5)"])) is None
    loader = {"class": "QlibDataLoader", "kwargs": {"config": {"label": [[five], ["LABEL0"]]}}}
    assert label_horizon(task(data_loader=loader)) == 5
    assert label_horizon(task()) is None
