"""Features are computed once, and again when anything they depend on changes."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from tests.data.prices import walk, write
from wf_dagster.data import cache, feature_panel, price_source
from wf_dagster.errors import DataError, TaskError
from wf_dagster.settings import get_settings, restore, snapshot

LABEL = "wf_dagster.data.labels.forward_return"


@pytest.fixture
def prices(tmp_path) -> str:
    return write(tmp_path / "prices.parquet", walk())


@pytest.fixture
def log(tmp_path) -> Path:
    path = tmp_path / "computed.log"
    path.touch()
    return path


def _panel(prices, log, **kwargs):
    features = {"func": "tests.data.prices.counted", "kwargs": {"log": str(log)}}
    features["kwargs"].update(kwargs.pop("kwargs", {}))
    source = price_source(prices, as_of=kwargs.pop("as_of", None))
    return feature_panel(source, features, LABEL, **kwargs)


def _times(log):
    return len(log.read_text().splitlines())


def test_the_second_reading_computes_nothing(prices, log):
    first, second = _panel(prices, log), _panel(prices, log)
    assert _times(log) == 1
    np.testing.assert_array_equal(first.values, second.values)
    assert first.index.equals(second.index)


def test_values_are_mapped_and_slices_copy_nothing(prices, log):
    _panel(prices, log)
    panel = _panel(prices, log)
    assert isinstance(panel.values, np.memmap)
    days = np.unique(panel.days)
    rows = panel.slice(days[10], days[19])
    assert len(rows) == 60
    assert np.shares_memory(rows.to_numpy(), panel.values)


@pytest.mark.parametrize(
    "other",
    [
        {"kwargs": {"scale": 2.0}},
        {"instruments": ["S1", "S2"]},
        {"as_of": "2020-06-01"},
    ],
)
def test_another_definition_universe_or_day_is_computed_anew(prices, log, other):
    _panel(prices, log)
    _panel(prices, log, **other)
    assert _times(log) == 2


def test_changed_prices_are_computed_anew(tmp_path, prices, log):
    _panel(prices, log)
    frame = walk()
    frame.loc[100, "close"] += 0.01
    write(tmp_path / "prices.parquet", frame)
    _panel(prices, log)
    assert _times(log) == 2


def test_changed_code_is_computed_anew(tmp_path, prices, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    module = tmp_path / "own_features.py"
    source = (
        "def own(prices):\n    return (prices[['close']] * {}).rename(columns={{'close': 'f'}})\n"
    )
    made = []
    for factor in (1, 2):
        module.write_text(source.format(factor))
        _forget("own_features")
        made.append(feature_panel(price_source(prices), "own_features.own", LABEL).values[:, 0])
    np.testing.assert_allclose(made[1], 2 * made[0])


def _forget(name: str) -> None:
    import importlib
    import linecache
    import sys

    sys.modules.pop(name, None)
    importlib.invalidate_caches()
    linecache.clearcache()


def _in_a_process(settings, prices, log, barrier):
    restore(settings)
    barrier.wait()
    _panel(prices, log)


@pytest.mark.integration
def test_two_processes_at_once_compute_once(prices, log):
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    arguments = (snapshot(), prices, log, barrier)
    both = [context.Process(target=_in_a_process, args=arguments) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
        assert process.exitcode == 0
    assert _times(log) == 1


def _entries() -> list[Path]:
    folder = get_settings().home / "cache" / "features"
    return [entry for entry in folder.iterdir() if entry.is_dir()]


@pytest.mark.parametrize("damage", ["values.npy", "index.parquet", "columns"])
def test_a_damaged_entry_is_computed_again(prices, log, damage):
    whole = np.array(_panel(prices, log).values)
    (entry,) = _entries()
    (entry / damage).unlink()
    cache._mapped.cache_clear()
    np.testing.assert_array_equal(_panel(prices, log).values, whole)
    assert _times(log) == 2


def test_what_was_used_last_is_kept_when_room_is_needed(prices, log, monkeypatch):
    size = sum(f.stat().st_size for f in _make_one(prices, log, 1.0).iterdir())
    monkeypatch.setattr(cache, "LIMIT_BYTES", int(2.5 * size))
    _panel(prices, log, kwargs={"scale": 2.0})
    _panel(prices, log, kwargs={"scale": 3.0})
    assert len(_entries()) == 2
    before = _times(log)
    _panel(prices, log, kwargs={"scale": 3.0})
    assert _times(log) == before


def _make_one(prices, log, scale) -> Path:
    _panel(prices, log, kwargs={"scale": scale})
    (entry,) = _entries()
    return entry


def test_a_function_that_loses_rows_is_refused(prices):
    with pytest.raises(DataError, match=r"too_short must return a frame with the rows"):
        feature_panel(price_source(prices), "tests.data.prices.too_short", LABEL)


def test_a_function_that_does_not_exist_or_does_not_take_its_arguments(prices):
    with pytest.raises(TaskError, match="has no 'nonsense'"):
        feature_panel(price_source(prices), "tests.data.prices.nonsense", LABEL)
    features = {"func": "wf_dagster.data.features.reversal", "kwargs": {"horizon": 3}}
    with pytest.raises(TaskError, match=r"reversal does not take \{'horizon': 3\}"):
        feature_panel(price_source(prices), features, LABEL)
