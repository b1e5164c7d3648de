"""A feature that looks ahead is found at a few dates; one that looks back never is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.data.look_ahead_functions import moments
from tests.data.made_prices import made_prices
from wf_dagster.data import PanelDataset
from wf_dagster.data.feature_check import FeatureCheck
from wf_dagster.errors import DataError
from wf_dagster.market import Market

PRICES = made_prices(sessions=700, instruments=3)
DAYS = pd.DatetimeIndex(PRICES["datetime"].unique())
SAMPLED = [f"{DAYS[place]:%Y-%m-%d}" for place in (118, 237, 370, 496, 622)]  # of 699: 17 %, ...
OWN = "tests.data.look_ahead_functions"


def dataset(folder: Path, features: Any, prices: pd.DataFrame = PRICES) -> PanelDataset:
    path = folder / "prices.parquet"
    prices.to_parquet(path)
    segments = {"train": (DAYS[10], DAYS[20]), "test": (DAYS[30], None)}
    return PanelDataset(segments, features, prices=str(path))


def shifted(by: int) -> dict[str, Any]:
    return {"func": f"{OWN}.shifted", "kwargs": {"by": by}}


@pytest.mark.parametrize("by", [-1, -3, -60])
def test_a_feature_from_the_future_is_refused_by_column_and_date(tmp_path: Path, by: int) -> None:
    check = dataset(tmp_path, shifted(by)).check_features()
    assert check.looking_ahead == {"shifted": SAMPLED[0]}
    with pytest.raises(DataError) as refused:
        check.raise_look_ahead()
    assert str(refused.value).startswith(
        f"feature 'shifted' looks ahead: its value on {SAMPLED[0]} is another one when it is "
        "computed from the prices up to that day alone. "
    )


@pytest.mark.parametrize(
    "features",
    [
        "wf_dagster.data.features.price_features",
        shifted(3),
        shifted(0),
        f"{OWN}.long_memory",
        [shifted(5), f"{OWN}.long_memory"],
        f"{OWN}.moments",
        f"{OWN}.decaying_event",
        f"{OWN}.sectors",
    ],
)
def test_a_feature_that_looks_back_is_not_refused(tmp_path: Path, features: Any) -> None:
    check = dataset(tmp_path, features).check_features()
    assert check == FeatureCheck(SAMPLED)
    check.raise_look_ahead()


def test_infinite_empty_and_rare_values_are_not_refused(tmp_path: Path) -> None:
    check = dataset(tmp_path, f"{OWN}.broken_values").check_features()
    assert check.looking_ahead == {}
    assert f"{DAYS[233]:%Y-%m-%d}" in check.dates  # where the rare one has its value


@pytest.mark.parametrize("name", ["filled_from_later", "shifted"])
def test_it_is_found_beside_features_with_a_long_memory(tmp_path: Path, name: str) -> None:
    check = dataset(tmp_path, [f"{OWN}.long_memory", f"{OWN}.{name}"]).check_features()
    assert list(check.looking_ahead) == [{"filled_from_later": "filled"}.get(name, "shifted")]


def test_a_mean_over_all_dates_looks_ahead(tmp_path: Path) -> None:
    check = dataset(tmp_path, "tests.data.feature_functions.leaking_by_its_mean").check_features()
    assert check.looking_ahead == {"relative": SAMPLED[0]}


def test_a_function_that_needs_much_history_gets_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    check = dataset(tmp_path, f"{OWN}.needs_history").check_features()
    assert check.looking_ahead == {}
    assert list(check.not_computed) == SAMPLED[:2]  # there are 119 and 238 sessions
    assert f"the prices up to {SAMPLED[0]} alone" in caplog.text
    assert "fewer than 300 sessions" in caplog.text


def test_instruments_that_come_and_go_are_not_refused(tmp_path: Path) -> None:
    is_early = PRICES["datetime"] < DAYS[300]
    is_late = PRICES["datetime"] > DAYS[500]
    gone = (PRICES["instrument"] == "S001") & is_late
    new = (PRICES["instrument"] == "S002") & is_early
    features = ["wf_dagster.data.features.price_features", f"{OWN}.long_memory"]
    assert dataset(tmp_path, features, PRICES[~(gone | new)]).check_features().looking_ahead == {}


@pytest.mark.parametrize("sessions", [1, 2, 5])
def test_few_sessions(tmp_path: Path, sessions: int) -> None:
    prices = PRICES[PRICES["datetime"] < DAYS[sessions]]
    check = dataset(tmp_path, shifted(-1), prices).check_features()
    assert check.looking_ahead == ({"shifted": f"{DAYS[0]:%Y-%m-%d}"} if sessions > 1 else {})


def test_what_was_found_is_kept_beside_the_features(tmp_path: Path) -> None:
    data = dataset(tmp_path, shifted(1))
    data.check_features()
    note = Market().tables.folder / f"{data.panel.key}.features.json"
    found = json.loads(note.read_text())
    note.write_text(json.dumps({**found, "looking_ahead": {"shifted": "2020-02-03"}}))
    again = dataset(tmp_path, shifted(1))
    assert again.check_features().looking_ahead == {"shifted": "2020-02-03"}  # not computed anew
    other = dataset(tmp_path, shifted(2))
    assert other.check_features().looking_ahead == {}  # another definition is


@pytest.mark.parametrize("by", [3, -3])
def test_replay_dates_are_checked_within_what_they_show(tmp_path: Path, by: int) -> None:
    """Some panels of replay dates are cut from that of all prices, and some are not."""
    path = tmp_path / "prices.parquet"
    PRICES.to_parquet(path)
    segments = {"train": (DAYS[10], DAYS[20]), "test": (DAYS[30], None)}
    for place in (300, 301, 302, 400):
        market = Market(str(path)).at(DAYS[place])
        check = PanelDataset(segments, shifted(by), market=market).check_features()
        assert max(check.dates) < f"{DAYS[place]:%Y-%m-%d}"
        assert list(check.looking_ahead) == (["shifted"] if by < 0 else [])


def with_wrong_price(place: int, times: float = 1e4) -> pd.DataFrame:
    """One close of the second instrument is so many times too large."""
    is_wrong = (PRICES["datetime"] == DAYS[place]) & (PRICES["instrument"] == "S001")
    return PRICES.assign(close=PRICES["close"] * np.where(is_wrong, times, 1.0))


@pytest.mark.parametrize("place", [5, 400, 690])
def test_rounding_by_one_wrong_price_is_no_look_ahead(tmp_path: Path, place: int) -> None:
    """Of a whole series with a return of ten thousand, a kurtosis keeps few digits."""
    prices = with_wrong_price(place)
    data = dataset(tmp_path, f"{OWN}.moments", prices)
    early = moments(prices[prices["datetime"] <= SAMPLED[0]].set_index(["datetime", "instrument"]))
    whole = data.panel.slice(SAMPLED[0], SAMPLED[0])["feature"]["kurt"]
    off = (whole / early.loc[SAMPLED[0]]["kurt"].to_numpy() - 1).abs().max()
    assert off > 1e-6  # it is there to be seen
    assert data.check_features().looking_ahead == {}


def test_a_small_look_ahead_is_no_rounding(tmp_path: Path) -> None:
    check = dataset(tmp_path, f"{OWN}.nearly_honest").check_features()
    assert check.looking_ahead == {"nearly": SAMPLED[0]}


def test_bins_that_come_from_all_prices_are_named(tmp_path: Path) -> None:
    data = dataset(tmp_path, ["wf_dagster.data.features.price_features", f"{OWN}.bins"])
    check = data.check_features()
    intervals = [c for c in data.panel.columns.get_level_values(1) if "(" in c]
    assert set(check.names_before.values()) | set(check.names_after.values()) == set(SAMPLED)
    assert set(check.names_after) <= set(intervals)
    assert not set(check.names_before) & set(intervals)
    with pytest.raises(DataError) as refused:
        check.raise_look_ahead()
    assert f"computed from the prices up to {SAMPLED[0]} alone there is '(" in str(refused.value)
    assert "write fixed bins" in str(refused.value)


def test_a_year_in_a_name_is_named(tmp_path: Path) -> None:
    check = dataset(tmp_path, f"{OWN}.named_after_last_year").check_features()
    # 700 business days from 2020-01-01 end in September 2022; the fourth date is in 2021
    assert check.names_before == {"momentum 2020": SAMPLED[0], "momentum 2021": SAMPLED[2]}
    assert check.names_after == {"momentum 2022": SAMPLED[0]}
    with pytest.raises(DataError) as refused:
        check.raise_look_ahead()
    assert str(refused.value).startswith(
        f"the names of features look ahead: computed from the prices up to {SAMPLED[0]} alone "
        "there is 'momentum 2020' and there is no 'momentum 2022', with later prices it is the "
        "other way round. "
    )


def test_a_sector_that_comes_later_or_is_gone_is_not_refused(tmp_path: Path) -> None:
    """Its indicator is 0 before and after."""
    new = (PRICES["instrument"] == "S002") & (PRICES["datetime"] < DAYS[550])
    gone = (PRICES["instrument"] == "S001") & (PRICES["datetime"] > DAYS[200])
    data = dataset(tmp_path, f"{OWN}.sectors", PRICES[~(new | gone)])
    assert data.check_features() == FeatureCheck(SAMPLED)


def test_what_an_earlier_form_of_the_check_has_found_is_found_again(tmp_path: Path) -> None:
    data = dataset(tmp_path, f"{OWN}.moments")
    note = Market().tables.folder / f"{data.panel.key}.features.json"
    former = {"dates": SAMPLED, "looking_ahead": {"kurt": SAMPLED[0]}, "not_computed": {}}
    note.write_text(json.dumps(former))
    assert data.check_features() == FeatureCheck(SAMPLED)


def test_of_random_values_nothing_is_known(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A trillionth of the prices changes them as much as later prices do."""
    check = dataset(tmp_path, f"{OWN}.random_values").check_features()
    assert (check.looking_ahead, check.unstable) == ({}, {"random": SAMPLED[0]})
    assert f"whether feature 'random' looks ahead on {SAMPLED[0]} is not known" in caplog.text
