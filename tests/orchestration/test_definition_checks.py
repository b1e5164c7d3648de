"""What a definition gets wrong is one message when it loads; look-ahead is refused there."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.support import task_of
from wf_dagster import Market, RollingGen, Rolls, TradingCalendar
from wf_dagster.errors import CalendarError, DataError, TaskError
from wf_dagster.orchestration import build_rolling_assets
from wf_dagster.orchestration.strategy.definition_checks import check_definition
from wf_dagster.tasks import TRUNC_DAYS, fingerprint

MONTHLY = RollingGen("month", trunc_days=6)


def template(**kwargs: Any) -> dict[str, Any]:
    """The task of tests, with other arguments of its dataset; ``...`` removes one."""
    task = copy.deepcopy(task_of("2019-01-02"))
    given = {**task["dataset"]["kwargs"], **kwargs}
    task["dataset"]["kwargs"] = {n: value for n, value in given.items() if value is not ...}
    return task


def check(task: Any, market: Market | None = None, generator: RollingGen = MONTHLY) -> None:
    check_definition("demo", task, generator, market or Market("sample"))


def test_all_that_is_wrong_is_one_message(tmp_path: Path) -> None:
    task = template(
        segments={"trian": ("2017-01-02", "2018-12-20"), "test": ("2019-01-02", None)},
        featuers="wf_dagster.data.features.price_features",
        instruments="members.csv",
    )
    task["model"]["kwargs"]["alhpa"] = 2.0
    task["record"][1] = {"class": "SigAnaRecrod", "module_path": "wf_dagster.records"}
    with pytest.raises(TaskError) as caught:
        check(task, Market(tmp_path / "prices.parqet", "XNYZ"))
    first, *others = str(caught.value).splitlines()
    assert first == "strategy 'demo': 7 things are wrong:"
    for start in (
        "  - dataset.kwargs.featuers: PanelDataset takes no 'featuers'; did you mean 'features'?",
        "  - dataset.kwargs.segments.trian is unknown: did you mean 'train'?",
        "  - dataset.kwargs.instruments: the file 'members.csv' is not there",
        "  - model.kwargs.alhpa: Ridge takes no 'alhpa'; did you mean 'alpha'?",
        "  - record.1.class: module 'wf_dagster.records' has no 'SigAnaRecrod'; did you mean",
        f"  - prices='{tmp_path}/prices.parqet': '.parqet' is the ending of no price file; did you",
        "  - calendar 'XNYZ' is no exchange: use an ISO 10383 code; did you mean 'XN",
    ):
        assert any(line.startswith(start) for line in others), start
    assert len(others) == 7


def test_a_key_that_is_nearly_a_part_is_refused_and_one_of_somebody_elses_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    task = template()
    with pytest.raises(TaskError, match=r"^strategy 'demo': recrod is no part of a task: did you"):
        check({**task, "recrod": []})
    caplog.clear()
    check({**task, "remark of somebody": []})
    assert "the key 'remark of somebody' of the task is kept" in caplog.text


SEGMENTS: dict[str, tuple[dict[str, Any], str]] = {
    "no test": ({"train": ("2017-01-02", "2018-12-20")}, "segments.test is missing: it is the"),
    "no train": ({"test": ("2019-01-02", None)}, "segments.train is missing: the model learns"),
    "test without start": (
        {"train": ("2017-01-02", "2018-12-20"), "test": (None, None)},
        r"segments.test is \(None, None\): give it a start",
    ),
    "reversed": (
        {"train": ("2018-12-20", "2017-01-02"), "test": ("2019-01-02", None)},
        "segments.train starts 2018-12-20, after its end 2017-01-02: the dates are reversed",
    ),
    "no date": (
        {"train": ("2017-01-02", "2018-02-30"), "test": ("2019-01-02", None)},
        "segments.train: '2018-02-30' is no date",
    ),
    "two dates": (
        {"train": ("02/01/2017", "2018-12-20"), "test": ("2019-01-02", None)},
        "segments.train: '02/01/2017' is ambiguous: day and month",
    ),
    "misspelt valid": (
        {
            "train": ("2017-01-02", "2018-06-29"),
            "vaild": ("2018-07-02", "2018-12-20"),
            "test": ("2019-01-02", None),
        },
        "segments.vaild is unknown: did you mean 'valid'",
    ),
}


@pytest.mark.parametrize("case", SEGMENTS)
def test_segments_are_checked_by_name_and_date(case: str) -> None:
    segments, message = SEGMENTS[case]
    with pytest.raises(TaskError, match=message):
        check(template(segments=segments))


def test_own_names_of_segments_are_those_of_the_generator() -> None:
    segments = {"train": ("2017-01-02", "2018-12-20"), "forecast": ("2019-01-02", None)}
    generator = RollingGen("month", trunc_days=6, test_key="forecast")
    check(template(segments=segments), generator=generator)
    with pytest.raises(TaskError, match=r"segments\.test is missing"):
        check(template(segments=segments))


PLACES: dict[str, tuple[Any, str]] = {
    "scheme": ("s33://bucket/prices", "s33:// is neither a file system .* did you mean s3"),
    "table": ("sqlite:////data/prices.db", "names no table: write it behind #"),
    "ending": ("s3://bucket/prices.xlsx", "'.xlsx' is the ending of no price file; use one of"),
    "key": ({"path": "a.parquet", "qurey": "x"}, "the key 'qurey' is unknown"),
    "class": (
        {"class": "tests.prices.own_sources.MadePrcies"},
        r"prices.class: module 'tests.prices.own_sources' has no 'MadePrcies'",
    ),
    "no source": ({"class": "wf_dagster.data.PanelDataset"}, "has no load: a price source needs"),
    "number": (17, "prices is 17, which is no price source"),
}


@pytest.mark.parametrize("case", PLACES)
def test_what_is_certainly_wrong_with_a_place_of_prices_is_said(case: str) -> None:
    place, message = PLACES[case]
    with pytest.raises((DataError, TaskError), match=message):
        check(template(), Market(place))
    with pytest.raises((DataError, TaskError), match=message):
        check(template(prices=place))


def test_a_price_file_that_an_asset_may_make_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for place in (tmp_path / "prices.parquet", tmp_path / "folder", tmp_path / "made.v2"):
        caplog.clear()
        check(template(), Market(place))
        assert f"the price file {place} is not there yet" in caplog.text
    check(template(), Market(f"sqlite:///{tmp_path}/prices.db#prices"))
    assert "prices.db is not there yet" in caplog.text


@pytest.mark.parametrize(
    ("instruments", "message"),
    [
        ("AAPL", "'AAPL', which is no universe: write a list of names"),
        ([], r"instruments=\[\] selects nothing"),
        (["AAPL", True], "holds True, which is no name: YAML reads ON, NO, TRUE"),
        (["AAPL", None], "holds None, which is no name"),
        ("tests.data.feature_functions.nobody", "has no 'nobody'"),
        ({"func": "os.getcwd", "arguments": {}}, "write a list of names"),
    ],
)
def test_a_universe_that_is_none_is_refused(instruments: Any, message: str) -> None:
    with pytest.raises((DataError, TaskError), match=message):
        check(template(instruments=instruments))


def test_too_few_sessions_between_train_and_test_are_refused() -> None:
    generator = RollingGen("month", trunc_days=5)  # the label reaches 5 + 1 sessions
    with pytest.raises(TaskError, match=r"strategy 'demo': RollingGen\(trunc_days=5\) .* write"):
        check(template(), generator=generator)
    with pytest.raises(TaskError, match=r"trunc_days=6, .* or allow_look_ahead=True"):
        build_rolling_assets("demo", template(), generator, market=Market("sample"))
    allowed = check_definition("demo", template(), generator, Market("sample"), True)
    assert allowed.trunc_days == 5


CALENDAR = TradingCalendar(pd.bdate_range("2016-01-01", "2019-12-31"))


def rolls(task: Any, generator: RollingGen) -> list[dict[str, Any]]:
    return [roll.task for roll in Rolls.from_template(task, generator, CALENDAR)]


def test_the_reach_of_the_label_is_the_default_and_written_down_is_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    segments = {"train": ("2017-01-02", "2018-12-31"), "test": ("2019-01-01", None)}
    task = template(segments=segments)
    plain = RollingGen("month")
    chosen = check_definition("demo", task, plain, Market("sample"))
    assert (plain.trunc_days, chosen.trunc_days) == (None, 6)
    assert "its label reaches 6 sessions and its RollingGen has no trunc_days" in caplog.text
    first = rolls(task, chosen)[0]
    # 2019-01-01 is a session here: the sixth before it is 2018-12-24
    assert first["dataset"]["kwargs"]["segments"]["train"][1] == pd.Timestamp("2018-12-24")
    caplog.clear()
    written = check_definition("demo", task, MONTHLY, Market("sample"))
    assert caplog.text == ""
    for one, other, before in zip(
        rolls(task, chosen), rolls(task, written), rolls(task, MONTHLY), strict=True
    ):
        assert fingerprint(one) == fingerprint(other) == fingerprint(before)


def test_allowed_look_ahead_leaves_rolls_as_they_were_and_is_warned_of_in_each() -> None:
    segments = {"train": ("2017-01-02", "2018-12-31"), "test": ("2019-01-01", None)}
    task = template(segments=segments)
    for generator in (RollingGen("month"), RollingGen("month", trunc_days=2)):
        allowed = check_definition("demo", task, generator, Market("sample"), True)
        before, now = rolls(task, generator), rolls(task, allowed)
        assert [fingerprint(t) for t in before] == [fingerprint(t) for t in now]
        assert all(TRUNC_DAYS not in t for t in now)  # which the training takes for a warning


def own_label(prices: pd.DataFrame) -> pd.DataFrame:
    """The return of the next three sessions: it does not say how far it looks."""
    close = prices["close"].unstack()
    return (close.shift(-3) / close - 1).stack().to_frame("label")


def test_rolls_of_a_label_of_unknown_reach_refuse_what_is_measured() -> None:
    task = template(label=own_label)
    chosen = check_definition("demo", task, RollingGen("month"), Market("sample"))
    assert chosen.trunc_days is None
    plain = rolls(task, RollingGen("month"))
    assert [t[TRUNC_DAYS] for t in rolls(task, chosen)] == [0] * len(plain)
    assert [fingerprint(t) for t in rolls(task, chosen)] == [fingerprint(t) for t in plain]


def test_segments_are_held_against_sessions_of_ones_own() -> None:
    task = template(segments={"train": ("2017-01-02", "2018-12-20"), "test": ("2031-01-02", None)})
    with pytest.raises(TaskError, match="is outside the calendar, which runs from 2016-01-01"):
        check(task, Market("sample", CALENDAR))
    with pytest.raises(CalendarError, match="is a int"):
        Market("sample", 5)  # type: ignore[arg-type]
