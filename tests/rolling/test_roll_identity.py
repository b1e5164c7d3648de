"""What identifies a roll: each part of a task and of its market, changed by itself."""

import copy

import pandas as pd
import pytest

from tests.support import task_of
from wf_dagster import Market, RollingGen, TradingCalendar
from wf_dagster.rolling import (
    RollIdentity,
    RollsByIdentity,
    WantedRoll,
    same_models,
    training_fingerprint,
)
from wf_dagster.rolling.roll_identity import MarketKind
from wf_dagster.tasks import fingerprint

MONTH = "2020-03-01"


def changed(path, value):
    task = task_of(MONTH)
    *parents, last = path.split(".")
    part = task
    for name in parents:
        part = part[name]
    part[last] = value
    return task


KWARGS = "dataset.kwargs"
SEGMENTS = f"{KWARGS}.segments"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("model.kwargs", {"estimator": "sklearn.linear_model.Ridge", "alpha": 2.0}),
        ("model.class", "LightGBMModel"),
        (f"{KWARGS}.features", {"func": "my.features"}),
        (f"{KWARGS}.label", "my.label"),
        (f"{KWARGS}.infer_processors", []),
        (f"{KWARGS}.learn_processors", ["DropnaLabel"]),
        (f"{KWARGS}.instruments", ["AAPL", "MSFT"]),
        (f"{SEGMENTS}.train", ("2018-03-01", "2020-02-17")),
        (f"{SEGMENTS}.valid", ("2020-02-18", "2020-02-19")),
        ("reweighter", "my.weights"),
        ("warm_start_training", "b" * 64),
        (f"{KWARGS}.handler", {"class": "my.Handler", "kwargs": {"fit_end_time": "2020-01-01"}}),
    ],
)
def test_what_a_model_learns_from_is_its_identity(path, value):
    assert training_fingerprint(changed(path, value)) != training_fingerprint(task_of(MONTH))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("record", []),
        ("record", [{"class": "my.Record"}]),
        ("trunc_days", 7),
        ("name", "a name"),
        (f"{SEGMENTS}.test", (MONTH, None)),
        (f"{SEGMENTS}.test", ("2020-03-02", "2020-03-30")),
        (f"{KWARGS}.max_missing", 0.5),
        (f"{KWARGS}.market", Market("sample")),
        (
            "model.kwargs",
            {"estimator": "sklearn.linear_model.Ridge", "alpha": 1.0, "n_jobs": 4, "verbose": 1},
        ),
    ],
)
def test_what_it_does_not_learn_from_is_no_part_of_it(path, value):
    assert training_fingerprint(changed(path, value)) == training_fingerprint(task_of(MONTH))


@pytest.mark.parametrize("name", ["prices", "instruments"])
def test_the_place_of_a_file_is_no_part_of_it(name):
    here, there = (
        changed(f"{KWARGS}.{name}", path)
        for path in ("/old/data/daily.csv", "/new/folder/data/daily.csv")
    )
    assert training_fingerprint(here) == training_fingerprint(there)
    assert training_fingerprint(here) != training_fingerprint(task_of(MONTH))


def test_a_format_is_no_part_of_it_but_the_file_of_a_universe_is():
    def named(name, path):
        return training_fingerprint(changed(f"{KWARGS}.{name}", path))

    assert named("prices", "/a/daily.csv") == named("prices", "sqlite:////a/prices.db#daily")
    assert named("prices", "/a/daily.csv") != named("prices", "sample")
    assert named("prices", "close") != named("prices", "vwap"), "an own dataset may mean a field"
    assert named("instruments", "/a/big.txt") != named("instruments", "/a/small.txt")
    assert named("instruments", "csi/members.txt") != named("instruments", "sp/members.txt")


def test_it_is_the_same_however_it_is_written():
    task = task_of(MONTH)
    other = copy.deepcopy(task)
    pairs = other["dataset"]["kwargs"]["segments"]
    for name, pair in pairs.items():
        pairs[name] = [pd.Timestamp(day) for day in pair]
    assert RollIdentity.of(task) == RollIdentity.of(other)
    assert RollIdentity.of(task).start == MONTH


def test_the_kinds_of_markets():
    kinds = {
        "sample XNYS": Market("sample"),
        "table": Market("/data/daily.parquet"),
        "table XSHG": Market({"path": "postgresql://host/prices", "table": "daily"}, "XSHG"),
        "my.Prices": Market({"class": "my.Prices", "kwargs": {"url": "https://vendor"}}),
        "qlib": Market("qlib"),
    }
    for text, market in kinds.items():
        kind = MarketKind.of(task_of(MONTH), market)
        assert str(kind) == text
        assert MarketKind.parse(text) == kind
    table, shanghai, paris = map(MarketKind.parse, ("table", "table XSHG", "table XPAR"))
    assert table.agrees_with(shanghai), "an exchange was named later"
    assert not shanghai.agrees_with(paris)
    assert not table.agrees_with(MarketKind("sample"))


def test_its_tags_tell_it():
    identity = RollIdentity.of(task_of(MONTH), Market("sample"))
    assert RollIdentity.from_tags(identity.tags()) == identity
    assert RollIdentity.from_tags({"fingerprint": "x"}) is None
    unknown = RollIdentity.of(task_of(MONTH))
    assert RollIdentity.from_tags(unknown.tags()) == unknown


def test_rolls_are_found_by_it_on_their_market_and_within_their_days():
    sample = Market("sample")
    months = ["2020-03-01", "2020-04-01"]
    rolls = RollsByIdentity(WantedRoll(m, m, task_of(m), sample) for m in months)
    for month in months:
        assert rolls.find(RollIdentity.of(task_of(month), sample)).name == month
        assert rolls.find(RollIdentity.of(task_of(month))).name == month
        assert rolls.find(RollIdentity.of(task_of(month), Market("/a/b.csv"))) is None
        assert rolls.find_defined(fingerprint(task_of(month))).name == month
    for start, is_found in (("2020-02-28", False), ("2020-03-03", True), ("2020-04-01", False)):
        task = changed(f"{SEGMENTS}.test", (start, "2020-04-30"))
        assert (rolls.find(RollIdentity.of(task)) is not None) is is_found, start
    assert [rolls.may_hold(day) for day in ("2020-02-29", "2020-03-31", "2020-05-01")] == [
        False,
        True,
        False,
    ]


def test_a_warm_start_goes_on_from_a_training_whatever_its_records_are():
    calendar = TradingCalendar(pd.bdate_range("2018-01-01", "2020-12-31"))
    generator = RollingGen("month", trunc_days=3, calendar=calendar, warm_start=True)
    template = changed(f"{SEGMENTS}.test", (MONTH, "2020-05-29"))
    less = {**template, "record": []}
    rolls, others = (generator.generate(task) for task in (template, less))
    assert [fingerprint(a) == fingerprint(b) for a, b in zip(rolls, others, strict=True)] == [
        False
    ] * 3
    assert [training_fingerprint(roll) for roll in rolls] == [
        training_fingerprint(roll) for roll in others
    ]
    bigger = copy.deepcopy(template)
    bigger["model"]["kwargs"]["alpha"] = 9.0
    last = generator.generate(bigger)[-1]
    last["model"] = rolls[-1]["model"]
    assert training_fingerprint(last) != training_fingerprint(rolls[-1]), "another chain"
    # what is noted beside the definition is no part of its fingerprint
    former = {name: part for name, part in rolls[-1].items() if name != "warm_start_training"}
    assert fingerprint(former) == fingerprint(rolls[-1])
    assert RollsByIdentity([WantedRoll(1, "2020-05-01", rolls[-1])]).find(RollIdentity.of(former))


def test_models_of_a_template_are_the_same_whatever_their_dates_and_records():
    assert same_models(task_of("2020-03-01")) == same_models(changed("record", []))
    assert same_models(task_of("2020-03-01")) == same_models(task_of("2021-07-01"))
    assert same_models(task_of(MONTH)) != same_models(changed(f"{KWARGS}.label", "my.label"))


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("end_time", 2, 60),
        ("max_missing", 0.1, 0.2),
        ("prices", "fundamentals.csv", "macro.csv"),
        ("instruments", "a/names.txt", "a/others.txt"),
        ("segments", {"head": "x"}, {"head": "y"}),
    ],
)
def test_arguments_of_a_function_count_whatever_they_are_called(name, before, after):
    def training(value):
        function = {"func": "my.features", "kwargs": {name: value}}
        return training_fingerprint(changed(f"{KWARGS}.features", function))

    assert training(before) != training(after)
