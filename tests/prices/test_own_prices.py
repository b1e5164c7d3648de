"""A price source of one's own: two methods are written, the rest is derived."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.data.made_prices import made_prices
from tests.prices.own_sources import JsonPrices
from wf_dagster import Market, PanelDataset
from wf_dagster.errors import DataError, TaskError
from wf_dagster.market import price_source
from wf_dagster.prices import OwnPrices
from wf_dagster.tasks import fingerprint

PRICES = made_prices(sessions=30, instruments=3)
DAYS = pd.DatetimeIndex(PRICES["datetime"].unique())
EXPECTED = PRICES.set_index(["datetime", "instrument"]).sort_index()[["close"]]
CLASS = "tests.prices.own_sources.JsonPrices"


def write(path: Path, table: pd.DataFrame = PRICES) -> Path:
    closes = table.assign(datetime=table.datetime.dt.strftime("%Y-%m-%d"))
    wide = closes.pivot(index="datetime", columns="instrument", values="close")
    path.write_text(json.dumps(wide.to_dict()))
    return path


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(write(tmp_path / "prices.json"))


def test_everything_is_derived_from_two_methods(path: str) -> None:
    source = JsonPrices(path)
    pd.testing.assert_frame_equal(source.load(), EXPECTED)
    early = source.at(DAYS[5])
    assert (early.last_session(), source.last_session()) == (DAYS[5], DAYS[-1])
    pd.testing.assert_frame_equal(
        early.load(["close"], ["S001"]), EXPECTED.loc[(slice(None, DAYS[5]), ["S001"]), :]
    )
    assert early.version() != source.version()
    assert early.sessions().equals(pd.DatetimeIndex(DAYS[:6], name="datetime"))


def test_it_is_read_once_until_its_revision_changes(path: str) -> None:
    source = JsonPrices(path)
    before, readings = source.version(), JsonPrices.readings
    for day in DAYS[3:6]:
        source.at(day).load()
    assert JsonPrices.readings == readings + 1
    write(Path(path), PRICES.assign(close=PRICES.close * 2))
    os.utime(path, ns=(1, 1))
    assert source.version() != before
    pd.testing.assert_frame_equal(source.load(), EXPECTED * 2)
    assert JsonPrices.readings == readings + 2


def test_other_arguments_are_other_prices(path: str) -> None:
    assert JsonPrices(path, factor=2.0).version() != JsonPrices(path).version()
    assert JsonPrices(path, factor=1).version() == JsonPrices(path, factor=1).version()


def test_it_can_be_described_and_made_again(path: str) -> None:
    source = JsonPrices(path, factor=3.0).at(DAYS[7])
    spec = source.spec()
    assert spec == {
        "class": CLASS,
        "kwargs": {"path": path, "factor": 3.0},
        "as_of": str(DAYS[7].date()),
    }
    for again in (price_source(spec), pickle.loads(pickle.dumps(source)), price_source(source)):
        assert again.version() == source.version()
        pd.testing.assert_frame_equal(again.load(), EXPECTED.loc[: DAYS[7]] * 3)
    assert "JsonPrices" in repr(source)
    assert price_source(spec, as_of=DAYS[2]).last_session() == DAYS[2]


def test_a_task_may_name_it_and_a_worker_makes_it(path: str) -> None:
    dataset = PanelDataset(
        features=_returns,
        label=_returns,
        segments={"train": (DAYS[2], DAYS[9])},
        prices={"class": CLASS, "kwargs": {"path": path}},
    )
    train = dataset.prepare("train")
    assert len(train) == 8 * 3
    market = Market({"class": CLASS, "kwargs": {"path": path}}, as_of=DAYS[5])
    assert market.calendar_name == "prices"
    assert market.modules == {"tests.prices.own_sources"}
    code = (
        "import pickle, sys; market = pickle.loads(sys.stdin.buffer.read()); "
        "print(market.prices.version(), market.last_session.date())"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(market), capture_output=True, check=True
    )
    assert out.stdout.decode().split() == [market.prices.version(), str(DAYS[5].date())]
    assert fingerprint({"prices": market}) == fingerprint(
        {"prices": pickle.loads(pickle.dumps(market))}
    )


def _returns(prices: pd.DataFrame) -> pd.Series:
    return prices["close"].groupby("instrument").pct_change().rename("change")


def test_what_it_reads_is_checked(path: str) -> None:
    class Wrong(OwnPrices):
        def __init__(self, given: Any) -> None:
            self.given = given

        def read(self) -> pd.DataFrame:
            return self.given  # type: ignore[no-any-return]

        def revision(self) -> str:
            return "1"

    for given, message in [
        (None, r"read\(\) gave a NoneType, not a frame with the columns datetime, instrument"),
        (PRICES.drop(columns="close"), r"read\(\) of Wrong.* has no column 'close'"),
        (pd.concat([PRICES, PRICES.tail(1)]), r"holds 1 duplicate rows, the first for S002 on"),
        (PRICES.head(0), "holds no rows"),
    ]:
        with pytest.raises(DataError, match=message):
            Wrong(given).load()
    with pytest.raises(DataError, match=r"Wrong is no part of a module that can be imported"):
        Wrong(1).spec()


def test_a_revision_is_a_text(path: str) -> None:
    class Wrong(JsonPrices):
        def revision(self) -> Any:
            return None

    with pytest.raises(DataError, match=r"revision\(\) gave a NoneType; it must give a text"):
        Wrong(path).version()


def test_prices_that_change_while_they_are_read_are_refused(path: str) -> None:
    class Restless(JsonPrices):
        asked = 0

        def revision(self) -> str:
            type(self).asked += 1
            return str(self.asked)

    with pytest.raises(DataError, match="changed while it was read: try again"):
        Restless(path).load()


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ({"class": CLASS, "kwarg": {}}, DataError, "the key 'kwarg' is unknown; a class of your"),
        (
            {"class": "tests.prices.own_sources.JsonPrice"},
            TaskError,
            "did you mean 'JsonPrices'",
        ),
        ({"class": CLASS, "kwargs": {"file": 1}}, TaskError, "JsonPrices cannot be made from"),
        ({"class": "pathlib.Path"}, DataError, "pathlib.Path is no price source: derive it"),
    ],
)
def test_what_is_no_source_of_ones_own_is_refused(
    spec: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        _ = Market(spec).prices


def test_a_password_among_its_arguments_is_not_shown() -> None:
    class Guarded(OwnPrices):
        def __init__(self, password: str) -> None:
            self.password = password

        def read(self) -> pd.DataFrame:
            return PRICES.head(0)

        def revision(self) -> str:
            return "1"

    with pytest.raises(DataError) as caught:
        Guarded("hunter2").load()
    assert "hunter2" not in f"{caught.value}{Guarded('hunter2')!r}{Market(Guarded('hunter2'))!r}"


def test_the_example_of_the_docs_runs(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "prices.md").read_text()
    example = re.search(r"```python\n(# my_prices\.py\n.*?)```", page, re.DOTALL)
    assert example is not None
    use = re.search(r"```python\n(from my_prices import .*?)```", page, re.DOTALL)
    assert use is not None
    (tmp_path / "my_prices.py").write_text(example[1])
    PRICES.to_csv(tmp_path / "closes.csv", index=False)
    out = subprocess.run(
        [sys.executable, "-c", use[1]],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert out.returncode == 0, out.stderr
    assert out.stdout.split() == [str(DAYS[-1].date())]


def test_one_that_is_named_is_read_once_a_process_as_well(path: str) -> None:
    description = {"class": f"{JsonPrices.__module__}.JsonPrices", "kwargs": {"path": path}}
    before = JsonPrices.readings
    for _ in range(3):
        market = Market(description)
        market.prices.load()
        market.at("2020-01-02").prices.sessions()
        pickle.loads(pickle.dumps(market)).prices.load()
    assert JsonPrices.readings == before + 1
