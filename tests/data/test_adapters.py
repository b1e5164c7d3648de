"""What a task's parts are given by the adapter: the market, the dataset, the recorder."""

from __future__ import annotations

import sys

import pytest

from wf_dagster.data import PanelDataset
from wf_dagster.data.adapters import DefaultAdapter, adapter_of, worker_modules
from wf_dagster.market import Market
from wf_dagster.records import RecordTemplate

SEGMENTS = {"train": ("2019-01-02", "2019-06-28"), "test": ("2019-07-01", "2019-07-31")}


class RecordWithMarket(RecordTemplate):
    def __init__(self, recorder, market=None, model=None):
        super().__init__(recorder)
        self.market, self.model = market, model


class DatasetWithoutMarket:
    def __init__(self, segments):
        self.segments = segments


def task(dataset=PanelDataset, **kwargs):
    return {
        "model": "sklearn.linear_model.Ridge",
        "dataset": {"class": dataset, "kwargs": {"segments": SEGMENTS, **kwargs}},
    }


def test_a_task_that_names_no_qlib_is_adapted_without_importing_it():
    before = {name for name in sys.modules if name.partition(".")[0] == "qlib"}
    adapter = adapter_of(task(), Market())
    adapter.prepare()
    assert isinstance(adapter, DefaultAdapter)
    assert {name for name in sys.modules if name.partition(".")[0] == "qlib"} == before
    assert not any(module.partition(".")[0] == "qlib" for module in worker_modules(task()))


def test_prices_that_the_dataset_names_are_those_of_the_tasks_market():
    market = Market("sample", as_of="2020-03-01")
    assert adapter_of(task(), market).market == market
    named = adapter_of(task(prices="somewhere.parquet"), market).market
    assert named.at("2020-01-31") == market.with_prices("somewhere.parquet").at("2020-01-31")
    assert named != market


def test_a_dataset_gets_the_market_where_it_takes_one():
    market = Market("sample", "XNYS")
    assert adapter_of(task(), market).make_dataset().market == market
    plain = adapter_of(task(DatasetWithoutMarket), market).make_dataset()
    assert plain.segments == SEGMENTS


class DatasetThatPassesOn(PanelDataset):
    def __init__(self, segments, **kwargs):
        super().__init__(segments, **kwargs)


def test_a_dataset_stands_on_the_market_even_if_its_constructor_names_none():
    market = Market("sample", "XNYS", as_of="2020-01-31")
    assert adapter_of(task(DatasetThatPassesOn), market).make_dataset().market == market
    ready = PanelDataset(SEGMENTS)
    made = adapter_of({**task(), "dataset": ready}, market).make_dataset()
    assert made.market == market
    assert ready.market == Market(), "the one that was handed in stays as it is"


def test_a_dataset_without_a_market_is_named_where_a_date_would_hide_its_prices(caplog):
    adapter_of(task(DatasetWithoutMarket), Market("sample")).make_dataset()
    assert not caplog.records
    adapter_of(task(DatasetWithoutMarket), Market(as_of="2020-01-31")).make_dataset()
    assert "DatasetWithoutMarket stands on no market: the replay date 2020-01-31" in caplog.text


@pytest.mark.parametrize(
    ("handed_down", "own", "expected"),
    [
        (Market(as_of="2020-01-31"), Market(), Market(as_of="2020-01-31")),
        (Market("sample", "XLON"), Market(), Market("sample", "XLON")),
        (Market("sample", "XLON"), Market("sample", "XTKS"), Market("sample", "XLON")),
        # the settings' replay date, not their prices
        (
            Market(as_of="2020-01-31"),
            Market("sample", "XTKS"),
            Market("sample", "XTKS", as_of="2020-01-31"),
        ),
    ],
)
def test_a_loaded_dataset_reads_the_market_that_is_handed_down(handed_down, own, expected):
    dataset = PanelDataset(SEGMENTS, market=own)
    adapter_of({"dataset": dataset}, handed_down).reload(dataset)
    assert dataset.market == expected


def test_a_record_gets_what_it_asks_for_and_its_configuration_wins():
    market = Market("sample", "XNYS")
    adapter = adapter_of(task(), market)
    config = {"class": RecordWithMarket}
    record = adapter.make_record(config, object(), model="fitted", dataset="unasked")
    assert (record.market, record.model) == (market, "fitted")
    other = Market("sample", "XTKS")
    config["kwargs"] = {"market": other}
    assert adapter.make_record(config, object()).market == other
    ready = object()
    assert adapter.make_record(ready, object()) is ready
