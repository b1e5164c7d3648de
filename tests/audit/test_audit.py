"""An audit finds a planted leak in each part, and none where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import wf_dagster
from tests.data import look_ahead_functions
from tests.data.made_prices import made_prices
from wf_dagster import OnlineManager, RollingGen, RollingStrategy
from wf_dagster.audit import AuditedPart, AuditReport, audit_strategy, select_rolls
from wf_dagster.audit.altered_prices import AlteredPrices
from wf_dagster.audit.signal_audit import audit_signals
from wf_dagster.errors import RollKeyError
from wf_dagster.market import Market
from wf_dagster.prices import ParquetPrices
from wf_dagster.rolling import Rolls
from wf_dagster.tracking import find_recorders
from wf_dagster.training import train_rolls

PRICES = made_prices(sessions=120, instruments=5)
DAYS = pd.DatetimeIndex(PRICES["datetime"].unique())
OPEN, STEP, REACH = 80, 10, 3
OWN = "tests.data.look_ahead_functions"
HONEST = {"func": "wf_dagster.data.features.price_features", "kwargs": {"windows": [2, 5]}}
NAME = "audited"


@pytest.fixture(autouse=True)
def price_file(ready_store: None, tmp_path: Path) -> Path:
    path = tmp_path / "prices.parquet"
    PRICES.to_parquet(path)
    wf_dagster.init(prices=str(path), calendar="prices", max_workers=1)
    return path


def template(**kwargs: Any) -> dict[str, Any]:
    return {
        "model": {
            "class": "SklearnModel",
            "module_path": "wf_dagster.models",
            "kwargs": {"estimator": "sklearn.linear_model.Ridge"},
        },
        "dataset": {
            "class": "PanelDataset",
            "module_path": "wf_dagster.data",
            "kwargs": {
                "features": HONEST,
                "label": {
                    "func": "wf_dagster.data.labels.forward_return",
                    "kwargs": {"horizon": REACH - 1},
                },
                "segments": {
                    "train": (f"{DAYS[20]:%Y-%m-%d}", f"{DAYS[OPEN - 1]:%Y-%m-%d}"),
                    "test": (f"{DAYS[OPEN]:%Y-%m-%d}", None),
                },
                "infer_processors": [{"class": "RobustZScoreNorm"}, {"class": "Fillna"}],
                "learn_processors": [{"class": "DropnaLabel"}],
                **kwargs,
            },
        },
        "record": [
            {
                "class": "SignalRecord",
                "module_path": "wf_dagster.records",
                "kwargs": {"model": "<MODEL>", "dataset": "<DATASET>"},
            }
        ],
    }


def rolls_of(trunc_days: int | None = REACH, **kwargs: Any) -> Rolls:
    generator = RollingGen(STEP, RollingGen.ROLL_SD, trunc_days=trunc_days)
    return Rolls.from_template(template(**kwargs), generator)


def audit(rolls: Rolls, chosen: str = "", train: bool = True) -> AuditReport:
    market = Market()
    selected = select_rolls(rolls, market, chosen)
    if train:
        assert [outcome.error for outcome in train_rolls(selected, NAME)] == [None] * len(selected)
    return audit_strategy(NAME, NAME, rolls, market, selected)


def part(report: AuditReport, name: str) -> AuditedPart:
    (of_name,) = (part for part in report.parts if part.name == name)
    return of_name


def test_an_honest_strategy_passes() -> None:
    report = audit(rolls_of())
    assert report.failed == []
    assert report.untested == ["signals"]
    assert (len(report.rolls), report.of_rolls) == (4, 4)
    dates = {DAYS[OPEN + STEP * n + place] for n in range(4) for place in (0, 5)}
    # of the last roll's 10 sessions 9 are followed by another one: the middle of those is the 5th
    dates = dates - {DAYS[OPEN + 35]} | {DAYS[OPEN + 34]}
    for name in ("features", "labels", "processors", "predictions"):
        assert part(report, name).dates == dates
    # each date: 1 + 5 * (the sessions up to it) rows of 5 instruments, with 7 features
    rows = sum(5 * (int(DAYS.get_loc(date)) + 1) for date in dates)
    assert part(report, "features").rows == rows
    assert part(report, "features").values == 7 * rows
    assert "No later price changes anything that was compared." in report.text()


def test_what_was_tested_in_part_is_said() -> None:
    rolls = rolls_of()
    first, second, *_ = rolls.keys
    list(train_rolls([rolls.resolve(first)], NAME))
    report = audit(rolls, f"{first},{second}", train=False)
    assert part(report, "predictions").missing == {
        "there is no finished recorder": [f"roll {second}"]
    }
    assert report.verdict.endswith("Not tested: signals. Tested in part: predictions.")


def test_a_leak_in_features_is_found() -> None:
    features = [HONEST, {"func": f"{OWN}.shifted", "kwargs": {"by": -2}}]
    report = audit(rolls_of(features=features), train=False)  # no training would take them
    assert list(part(report, "features").columns) == ["shifted"]
    assert part(report, "features").columns["shifted"] == DAYS[OPEN]
    assert report.failed == ["features", "processors"]
    assert part(report, "predictions").verdict == "not tested"
    assert list(part(report, "predictions").missing) == ["there is no finished recorder"]
    text = " ".join(report.text().split())
    assert f"not tested roll {DAYS[OPEN]:%Y-%m-%d}, roll {DAYS[OPEN + STEP]:%Y-%m-%d}" in text
    # two sessions of five instruments, at each of eight dates; missing rows count as well
    assert part(report, "features").differing == 2 * 5 * 8


@pytest.mark.parametrize(("name", "off"), [("moments", 1e-9), ("moments_of_squares", 1e-4)])
def test_what_later_prices_only_round_passes(name: str, off: float) -> None:
    """pandas' skewness and kurtosis take the mean of a whole series."""
    function, prices = getattr(look_ahead_functions, name), Market().prices
    real, altered = (
        function(p).loc[: DAYS[OPEN]]
        for p in (prices.load(), AlteredPrices(prices.load(), DAYS[OPEN], 0).load())
    )
    assert ((altered - real).abs() / real.abs().median()).max().max() > off  # it is there
    report = audit(rolls_of(features=[HONEST, f"{OWN}.{name}"]))
    assert report.failed == []
    assert part(report, "features").differing == 0


def test_a_difference_stands_unless_it_goes_without_later_prices() -> None:
    index = pd.MultiIndex.from_product([DAYS[:3], ["S000"]], names=["datetime", "instrument"])
    real = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [1.0, 2.0, 3.0]}, index)
    altered = real * (1 + 1e-3)
    ending = pd.DataFrame({"b": [1.0, 2.0, 3.1], "a": [1.0, 2.0, 3.0]}, index)
    features = AuditedPart("features", "")
    features.compare(real, altered, DAYS[2], compute_ending=lambda: ending)
    assert (features.differing, list(features.columns)) == (1, ["b"])
    alike = AuditedPart("features", "")
    alike.compare(real, real * (1 + 1e-8), DAYS[2], compute_ending=lambda: 1 / 0)
    assert alike.verdict == "passed"  # there was nothing to compare again
    broken = AuditedPart("features", "")
    broken.compare(real, altered, DAYS[2], compute_ending=lambda: {}["no row"])
    assert broken.differing == 6
    (note,) = broken.notes
    assert "features cannot be computed from the prices up to" in note
    assert "(KeyError: 'no row')" in note


def test_names_that_come_from_later_prices_are_named() -> None:
    report = audit(rolls_of(features=[HONEST, f"{OWN}.bins"]), train=False)
    assert report.failed == ["features"]
    assert "labels" in report.untested
    text = " ".join(report.text().split())
    assert (
        "the names of columns depend on later prices: computed with other prices after "
        f"{DAYS[OPEN]:%Y-%m-%d} there is '("
    ) in text


def test_a_leak_in_a_processor_is_found() -> None:
    whole = {"class": "WholeZScore", "module_path": OWN, "kwargs": {"fields_group": "feature"}}
    report = audit(rolls_of(infer_processors=[{"class": "Fillna"}, whole]))
    assert report.failed == ["processors", "predictions"]
    text = report.text()
    assert "Later prices change what the strategy computes: processors, predictions." in text
    assert f"with other prices after {DAYS[OPEN]:%Y-%m-%d}" in " ".join(text.split())


def test_labels_that_were_not_known_are_found() -> None:
    report = audit(rolls_of(trunc_days=None))  # trained with a warning
    assert report.failed == ["labels"]
    # of two sessions' labels of five instruments, at the first session of each of four rolls
    assert part(report, "labels").differing == 2 * 5 * 4
    assert part(report, "labels").columns == {"label": DAYS[OPEN]}


def test_a_label_scaled_by_all_dates_is_found() -> None:
    report = audit(rolls_of(label=f"{OWN}.scaled_label"), train=False)
    assert "labels" in report.failed


def test_signals_that_were_sent_are_computed_again(price_file: Path) -> None:
    generator = RollingGen(STEP, RollingGen.ROLL_SD, trunc_days=REACH)
    strategy = RollingStrategy(NAME, template(), generator)
    begin = 90
    manager = OnlineManager(strategy, begin_time=DAYS[begin])
    manager.first_train()
    manager.catch_up_to(DAYS[110])
    signals = AuditedPart("signals", "")
    audit_signals(NAME, Market(), signals)
    assert signals.verdict == "passed"
    assert signals.rows == 5 * len(signals.dates)
    assert {DAYS[begin], DAYS[110]} <= signals.dates
    assert not [note for note in signals.notes if "changed since" in note]
    # a model that serves a session which it has been trained with
    recorder = find_recorders(NAME)[0]
    recorder.set_tags(data_until=f"{DAYS[119]:%Y-%m-%d}")
    again = AuditedPart("signals", "")
    audit_signals(NAME, Market(), again)
    assert again.verdict == "FAILED"
    assert f"trained with prices up to {DAYS[119]:%Y-%m-%d}" in again.examples[0]


def test_signals_of_other_prices_are_named_and_not_blamed(price_file: Path) -> None:
    generator = RollingGen(STEP, RollingGen.ROLL_SD, trunc_days=REACH)
    manager = OnlineManager(RollingStrategy(NAME, template(), generator), begin_time=DAYS[90])
    manager.first_train()
    manager.catch_up_to(DAYS[92])
    restated = PRICES.assign(close=PRICES["close"] * np.where(PRICES["instrument"] == "S001", 2, 1))
    restated.loc[restated["datetime"] == DAYS[91], "close"] *= np.arange(1, 6)
    restated.to_parquet(price_file)
    signals = AuditedPart("signals", "")
    audit_signals(NAME, Market(), signals)
    assert signals.verdict == "passed"
    assert any("prices or code have changed since" in note for note in signals.notes)


def test_which_rolls() -> None:
    rolls, market = rolls_of(), Market()
    keys = rolls.keys
    assert [r.key for r in select_rolls(rolls, market, "all")] == keys
    assert [r.key for r in select_rolls(rolls, market, f"{keys[1]}...{keys[2]}")] == keys[1:3]
    assert [r.key for r in select_rolls(rolls, market, f"{keys[3]}, {keys[0]}")] == [
        keys[0],
        keys[3],
    ]
    assert [r.key for r in select_rolls(rolls, market, most=2)] == [keys[0], keys[3]]
    with pytest.raises(RollKeyError, match=r"'2020-01-01' is no roll: the nearest is"):
        select_rolls(rolls, market, "2020-01-01")


def test_altered_prices_are_the_same_up_to_the_date(price_file: Path) -> None:
    prices = ParquetPrices(price_file).load()
    altered = AlteredPrices(prices, DAYS[50]).load()
    pd.testing.assert_frame_equal(altered.loc[: DAYS[50]], prices.loc[: DAYS[50]])
    later = altered.loc[DAYS[51] :]
    assert len(later) < len(prices.loc[DAYS[51] :])
    ratio = later / prices.loc[later.index]
    assert ((ratio >= 0.2) & (ratio <= 5)).all(axis=None)
    assert ((ratio - 1).abs() > 1e-6).all(axis=None)


def test_the_command() -> None:
    from wf_dagster.cli import app

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(app, ["audit", *arguments, "-m", "tests.audit.location"])

    done = run("honest", "--rolls", f"{DAYS[OPEN]:%Y-%m-%d}")
    assert done.exit_code == 0, done.output
    assert "AUDIT FOR LOOK-AHEAD: strategy honest" in done.output
    assert "Not tested: predictions, signals." in done.output
    done = run("leaking")
    assert done.exit_code == 1
    assert "VERDICT      Later prices change what the strategy computes: features" in done.output
    done = run("typo")
    assert done.exit_code == 2
    assert "no strategy 'typo': it has honest, leaking" in done.output
