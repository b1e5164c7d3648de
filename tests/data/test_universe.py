"""Universes: names that are checked, and members that change over time."""

from __future__ import annotations

import logging
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.data.made_prices import made_prices
from tests.data.value_features import january_members
from wf_dagster.data import PanelDataset, ParquetPrices, feature_panel
from wf_dagster.data.universe import Universe
from wf_dagster.errors import DataError, TaskError
from wf_dagster.market import Market

PRICES = made_prices(sessions=60, instruments=6)  # 2020-01-01 to 2020-03-24, working days
DAYS = pd.DatetimeIndex(PRICES["datetime"].unique())
MOMENTUM = {"func": "wf_dagster.data.features.momentum", "kwargs": {"windows": [3]}}
LABEL = {"func": "wf_dagster.data.labels.forward_return", "kwargs": {"horizon": 2}}
SEGMENTS = {"train": ("2020-01-10", "2020-02-14"), "test": ("2020-02-17", None)}
SPANS = [
    ("S000", "2020-01-01", "2020-01-15"),
    ("S000", "2020-02-03", "2099-12-31"),
    ("S001", "2020-01-01", "9999-12-31"),
    ("S002", "2020-01-20", ""),
    ("S003", "2020-01-06", "2020-02-28"),  # spans may overlap
    ("S003", "2020-01-08", "2020-01-10"),
]


def members_by_hand(day: pd.Timestamp) -> set[str]:
    """Who belongs on a day, by the spans above."""
    text = str(day.date())
    return {name for name, start, end in SPANS if start <= text <= (end or "9999")}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    PRICES.to_parquet(tmp_path / "prices.parquet")
    return tmp_path / "prices.parquet"


def qlib_file(folder: Path) -> str:
    lines = [f"{name}\t{start}\t{end or '2999-01-01'}" for name, start, end in SPANS]
    (folder / "universe.txt").write_text("\n".join(lines) + "\n")
    return str(folder / "universe.txt")


def span_frame(_folder: Path) -> pd.DataFrame:
    return pd.DataFrame(SPANS, columns=["instrument", "start", "end"])


def span_csv(folder: Path) -> Path:
    span_frame(folder).to_csv(folder / "universe.csv", index=False)
    return folder / "universe.csv"


def flag_frame(_folder: Path) -> pd.DataFrame:
    names = sorted({name for name, *_ in SPANS})
    flags = [[name in members_by_hand(day) for name in names] for day in DAYS]
    return pd.DataFrame(flags, index=DAYS, columns=names)


def flag_file(folder: Path) -> str:
    flag_frame(folder).to_parquet(folder / "flags.parquet")
    return str(folder / "flags.parquet")


def function(_folder: Path) -> Any:
    return members_by_hand


def dotted_path(_folder: Path) -> str:
    return "tests.data.test_universe.members_by_hand"


FORMS = [qlib_file, span_frame, span_csv, flag_frame, flag_file, function, dotted_path]


def panel(path: Path, instruments: Any, market: Market | None = None) -> pd.DataFrame:
    market = market or Market(ParquetPrices(path))
    return feature_panel(market, MOMENTUM, LABEL, instruments).slice(None, None)


@pytest.mark.parametrize("form", FORMS)
def test_there_are_rows_of_members_of_the_day_only(path: Path, form: Any) -> None:
    rows = panel(path, form(path.parent)).index
    for day in DAYS:
        here = set(rows[rows.get_level_values("datetime") == day].get_level_values("instrument"))
        assert here == members_by_hand(day)


def test_their_features_are_computed_from_all_of_their_prices(path: Path) -> None:
    whole = panel(path, None)
    ours = panel(path, qlib_file(path.parent))
    pd.testing.assert_frame_equal(ours, whole.loc[ours.index], check_exact=True)
    assert ours.loc[(pd.Timestamp("2020-02-03"), "S000")].notna().all()  # its first day again


def test_processors_see_the_members_of_the_day_alone(path: Path) -> None:
    data = PanelDataset(
        SEGMENTS, MOMENTUM, LABEL, ["CSZScoreNorm"], [], qlib_file(path.parent), str(path)
    )
    closes = PRICES.pivot(index="datetime", columns="instrument", values="close")
    momentum = closes / closes.shift(3) - 1
    scaled = data.prepare("train", "feature")["momentum_3"]
    for day in scaled.index.unique("datetime"):
        members = momentum.loc[day, sorted(members_by_hand(day))]
        expected = (members - members.mean()) / members.std(ddof=1)
        np.testing.assert_allclose(scaled.loc[day], expected, rtol=1e-9)


def test_a_row_of_flags_holds_until_the_next_one(path: Path) -> None:
    flags = pd.DataFrame(
        {"S000": [True, False, True], "S001": [True, True, np.nan]}, index=DAYS[[2, 10, 40]]
    )
    counts = panel(path, flags).index.get_level_values("instrument").value_counts()
    assert counts.to_dict() == {"S001": 38, "S000": 8 + 20}


@pytest.fixture
def codes(tmp_path: Path) -> Path:
    """Prices of S000 to S005 as 000001, 000002, 600000, 000004, NA and 600001."""
    names = ["000001", "000002", "600000", "000004", "NA", "600001"]
    prices = PRICES.replace({"instrument": {f"S{n:03d}": name for n, name in enumerate(names)}})
    prices.to_parquet(tmp_path / "codes.parquet")
    return tmp_path / "codes.parquet"


def counts_of(path: Path, lines: list[str]) -> dict[str, int]:
    """Rows of each instrument in the universe of a CSV file."""
    file = path.parent / "universe.csv"
    file.write_text("\n".join(lines) + "\n")
    return panel(path, str(file)).index.get_level_values("instrument").value_counts().to_dict()


def test_codes_of_a_csv_file_are_read_as_they_are_written(codes: Path) -> None:
    # business days of January 2020: 23, from the 1st to the 31st; 60 sessions in all
    counts = counts_of(
        codes,
        [
            "instrument,start,end",
            "000001,2020-01-01,2020-01-31",
            "000002,20200101,20200131",
            "600000,2020-01-01,",
            "NA,,2020-01-31",
        ],
    )
    assert counts == {"000001": 23, "000002": 23, "600000": len(DAYS), "NA": 23}


@pytest.mark.parametrize("first", ["", "datetime", "date"])
def test_flags_of_a_csv_file_are_read_by_their_names(codes: Path, first: str) -> None:
    lines = [f"{first},000001,NA,600000", "2020-01-01,True,1,", "2020-02-03,False,1,TRUE"]
    assert counts_of(codes, lines) == {
        "000001": 23,
        "NA": len(DAYS),
        "600000": len(DAYS) - 23,
    }


def test_a_universe_that_mostly_has_no_prices_is_refused(codes: Path) -> None:
    spans = pd.DataFrame({"instrument": ["1", "2", "600000"], "start": "2020-01-01", "end": ""})
    message = r"2 of 3 instruments that belong .* are not in .*: '1' .*'2' .*as the prices have"
    with pytest.raises(DataError, match=message):
        panel(codes, spans)
    # those that had gone before the prices begin do not count
    gone = pd.DataFrame({"instrument": ["X", "Y"], "start": "1999-01-01", "end": "2005-12-31"})
    rows = panel(codes, pd.concat([spans.tail(1), gone])).index
    assert rows.unique("instrument").tolist() == ["600000"]


def test_a_function_takes_arguments(path: Path) -> None:
    config = {"func": "tests.data.value_features.january_members", "kwargs": {"count": 3}}
    counts = panel(path, config).index.get_level_values("instrument").value_counts()
    assert counts.to_dict() == {"S000": 23, "S001": 23, "S002": 23, "S005": 37}


@pytest.mark.parametrize("form", [qlib_file, function])
def test_a_replay_date_shows_the_members_of_then(path: Path, form: Any) -> None:
    universe = form(path.parent)
    whole = panel(path, universe)
    for session in (30, 35, 50):  # computed, compared, cut
        seen = panel(path, universe, Market(ParquetPrices(path)).at(DAYS[session]))
        expected = whole.loc[: DAYS[session], "feature"]
        pd.testing.assert_frame_equal(seen["feature"], expected, rtol=1e-9)


def test_another_member_is_another_table(path: Path) -> None:
    file = qlib_file(path.parent)
    before = len(panel(path, file))
    with Path(file).open("a") as universe:
        universe.write("S005\t2020-01-01\t2020-01-03\n")
    assert len(panel(path, file)) == before + 3


def test_a_pickled_dataset_keeps_its_universe(path: Path) -> None:
    data = PanelDataset(SEGMENTS, MOMENTUM, LABEL, instruments=january_members, prices=str(path))
    again = pickle.loads(pickle.dumps(data))
    pd.testing.assert_frame_equal(again.prepare("train"), data.prepare("train"))


# ---- what is refused


def test_a_typo_is_refused_with_the_nearest_names(path: Path) -> None:
    message = r"1 of 2 instruments are not in ParquetPrices.*: 'S0O3' \(nearest: S003"
    with pytest.raises(DataError, match=message):
        panel(path, ["S000", "S0O3"])
    with pytest.raises(DataError, match=r"'s004' \(nearest: S004"):
        panel(path, ["s004"])


def test_a_name_that_a_replay_date_hides_is_none(path: Path) -> None:
    late = PRICES[(PRICES["instrument"] != "S005") | (PRICES["datetime"] > DAYS[40])]
    late.to_parquet(path)
    market = Market(ParquetPrices(path)).at(DAYS[30])
    assert len(panel(path, ["S000", "S005"], market)) == 31


def test_members_without_prices_are_named(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spans = span_frame(path)
    spans.loc[len(spans)] = ["GONE", "2020-01-01", "2020-02-01"]
    with caplog.at_level(logging.WARNING):
        panel(path, spans)
    assert "1 of 5 instruments that belong to the universe have no prices" in caplog.text
    assert "'GONE'" in caplog.text
    with pytest.raises(DataError, match=r"1 of 1 instruments are not in .* 'GONE'"):
        panel(path, spans.tail(1))


@pytest.mark.parametrize(
    ("instruments", "message"),
    [
        ("csi300", r"is 'csi300', which is no universe.*Write a list of names"),
        ("S003", r"is 'S003', which is no universe.*nearest: S003"),
        ("universe.txt", "the file 'universe.txt' is not there"),
        ({"function": "x"}, r"instruments is \{'function': 'x'\}: write a list"),
        ({"func": 7}, "names 7, which is no function of a day"),
        (lambda day: None, "the function of instruments gives None for 2020-01-01"),
        (lambda day: "S000", "gives 'S000' for 2020-01-01: it is to give a list of names"),
        (lambda day: [], "the universe is empty: no instrument belongs to it on any day"),
        ([], "the universe is empty"),
        (pd.DataFrame({"a": [1]}), "neither the columns instrument, start, end nor days"),
        (pd.DataFrame({"S000": ["x"]}, index=DAYS[:1]), "holds 'x' for S000 on 2020-01-01"),
        (pd.DataFrame({"S000": [True] * 2}, index=DAYS[[0, 0]]), "holds 2020-01-01 twice"),
        (
            pd.DataFrame([("S000", "2020-01-03", "soon")], columns=["instrument", "start", "end"]),
            "row 1: end is 'soon', not an ISO date",
        ),
        (
            pd.DataFrame(
                [("S0", "2020-02-01", "2020-01-01")], columns=["instrument", "start", "end"]
            ),
            "row 1: S0 starts after it ends",
        ),
        (
            pd.DataFrame(
                [("S000", "1999-01-01", "1999-02-01")], columns=["instrument", "start", "end"]
            ),
            "no row of ParquetPrices.* belongs to it on its day",
        ),
    ],
)
def test_what_is_no_universe_is_refused(path: Path, instruments: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        panel(path, instruments)


def test_a_malformed_line_is_named(path: Path) -> None:
    file = path.parent / "universe.txt"
    file.write_text("S000\t2020-01-01\t2020-02-01\nS001 2020-01-01 2020-02-01\n")
    with pytest.raises(DataError, match=r"line 2 is 'S001 2020-01-01 2020-02-01': .* by tabs"):
        panel(path, str(file))


def test_a_function_that_is_not_there_is_refused(path: Path) -> None:
    with pytest.raises(TaskError, match=r"dataset\.kwargs\.instruments.*cannot be imported"):
        panel(path, "no_such_package.members")


def test_a_universe_without_spans_holds_its_names_on_every_day(path: Path) -> None:
    universe = Universe.of(["S000"], ParquetPrices(path))
    rows = pd.MultiIndex.from_product(
        [DAYS[:2], ["S000", "S001"]], names=["datetime", "instrument"]
    )
    assert universe.holds(rows).tolist() == [True, False, True, False]
