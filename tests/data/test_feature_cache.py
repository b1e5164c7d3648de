from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import wf_dagster
from tests.data.made_prices import made_prices, with_other_future
from wf_dagster.data import Panel, feature_panel
from wf_dagster.errors import CalendarError, DataError, TaskError
from wf_dagster.market import Market
from wf_dagster.prices import ParquetPrices
from wf_dagster.tables import cache
from wf_dagster.tables.code_digest import code_digest

PRICES = made_prices(sessions=30, instruments=4)
DAYS = pd.DatetimeIndex(PRICES["datetime"].unique())
LABEL = "wf_dagster.data.labels.forward_return"
ROOT = Path(__file__).parents[2]

HELPERS = """
FACTOR = 2.0

def scaled(close):
    return close * FACTOR
"""
MODULE = """
import os
from pathlib import Path

import {helpers}
from {helpers} import scaled
from wf_dagster.data.features import to_rows, to_wide

LAG = 1

def counted(prices, window=3, slowly=0.0):
    '''Momentum; every computation leaves a line in a file.'''
    import time
    time.sleep(slowly)
    with Path({log!r}).open("a") as log:
        log.write(f"{{os.getpid()}}\\n")
    close = to_wide(prices)
    return to_rows({{"m": scaled(close) / close.shift(window * LAG)}}, prices.index)

def by_module(prices):
    return to_rows({{"s": {helpers}.scaled(to_wide(prices))}}, prices.index)
"""


class Counted:
    """A module of feature functions on disk, and how often one of them was computed."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch
        self.log = folder / "computed"
        self.prices = folder / "prices.parquet"
        self.name = f"counted_{folder.name}".replace("-", "_").replace(".", "_")
        self.helpers = f"{self.name}_helpers"
        (folder / f"{self.helpers}.py").write_text(HELPERS)
        text = MODULE.format(log=str(self.log), helpers=self.helpers)
        (folder / f"{self.name}.py").write_text(text)
        PRICES.to_parquet(self.prices)
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setattr(sys, "dont_write_bytecode", True)

    @property
    def function(self) -> str:
        return f"{self.name}.counted"

    def edit(self, module: str, old: str, new: str) -> None:
        path = self.folder / f"{module}.py"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    def restart(self) -> None:
        """As in a new process: nothing is imported or open."""
        cache._map.cache_clear()
        for name in (self.name, self.helpers):
            self.monkeypatch.delitem(sys.modules, name, raising=False)

    def panel(self, as_of: Any = None, universe: Any = None, **kwargs: Any) -> Panel:
        source = ParquetPrices(self.prices, as_of)
        return feature_panel(
            Market(source), {"func": self.function, "kwargs": kwargs}, LABEL, universe
        )

    def times(self) -> int:
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0


@pytest.fixture
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(tmp_path, monkeypatch)


# ---- hit and miss


def test_features_are_computed_once(counted: Counted) -> None:
    first = counted.panel()
    counted.restart()
    second = counted.panel()
    assert counted.times() == 1
    np.testing.assert_array_equal(first.values, second.values)
    pd.testing.assert_index_equal(first.index, second.index)
    pd.testing.assert_index_equal(first.columns, second.columns)
    assert list(second.columns) == [("feature", "m"), ("label", "label")]
    pd.testing.assert_index_equal(second.index, ParquetPrices(counted.prices).load().index)


def test_a_file_written_again_with_the_same_prices_is_a_hit(counted: Counted) -> None:
    counted.panel()
    counted.prices.touch()
    counted.panel()
    assert counted.times() == 1


CHANGES: dict[str, Callable[[Counted], Panel]] = {
    "kwargs": lambda c: c.panel(window=4),
    "universe": lambda c: c.panel(universe=["S001", "S002"]),
    "as_of": lambda c: c.panel(as_of=DAYS[20]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_definition_is_computed_anew(counted: Counted, change: str) -> None:
    first, second = counted.panel(), CHANGES[change](counted)
    assert counted.times() == 2
    assert not np.array_equal(first.values, second.values, equal_nan=True)
    CHANGES[change](counted)
    assert counted.times() == 2


def test_other_prices_are_computed_anew_even_by_the_same_source(counted: Counted) -> None:
    source = ParquetPrices(counted.prices)
    first = feature_panel(Market(source), counted.function, LABEL)
    with_other_future(PRICES, DAYS[20]).to_parquet(counted.prices)
    second = feature_panel(Market(source), counted.function, LABEL)
    fresh = feature_panel(Market(ParquetPrices(counted.prices)), counted.function, LABEL)
    assert counted.times() == 2
    assert not np.array_equal(first.values, second.values, equal_nan=True)
    np.testing.assert_array_equal(second.values, fresh.values)


EDITS = {
    "the function": ("", "shift(window * LAG)", "shift(window * LAG + 1)"),
    "a default": ("", "window=3", "window=5"),
    "a constant of its module": ("", "LAG = 1", "LAG = 2"),
    "a helper in another module": ("_helpers", "close * FACTOR", "close + FACTOR"),
    "a constant in another module": ("_helpers", "FACTOR = 2.0", "FACTOR = 3.0"),
}


@pytest.mark.parametrize("what", EDITS)
def test_an_edit_of_the_code_it_runs_is_computed_anew(counted: Counted, what: str) -> None:
    part, old, new = EDITS[what]
    first = counted.panel()
    counted.edit(f"{counted.name}{part}", old, new)
    counted.restart()
    second = counted.panel()
    assert counted.times() == 2
    assert not np.array_equal(first.values, second.values, equal_nan=True)


def test_an_edit_of_something_else_in_the_module_changes_nothing(counted: Counted) -> None:
    counted.panel()
    counted.edit(counted.name, "def by_module", "# a remark\ndef by_module_")
    counted.restart()
    counted.panel()
    assert counted.times() == 1


def test_an_edit_not_loaded_yet_does_not_pass_old_results_off_as_new(counted: Counted) -> None:
    stale = counted.panel()
    counted.edit(counted.name, "window=3", "window=5")
    counted.panel()  # this process still runs the code from before the edit
    counted.restart()
    assert not np.array_equal(counted.panel().values, stale.values, equal_nan=True)


# ---- the digest of code


def test_the_same_code_has_the_same_digest_in_every_process() -> None:
    names = ["wf_dagster.data.features.price_features", "wf_dagster.data.labels.forward_return"]
    program = (
        "import sys; from wf_dagster.tables.code_digest import code_digest\n"
        "from wf_dagster.tasks import locate\n"
        f"print([code_digest(locate(name)) for name in {names}])"
    )
    made = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(made) == 1


def test_functions_typed_into_a_prompt_differ_by_their_code() -> None:
    def typed(text: str) -> str:
        names: dict[str, Any] = {"__name__": "__main__"}
        exec(text, names)
        return code_digest(names["f"])

    assert typed("def f(p): return p + 1") == typed("def f(p):\n    return p + 1")
    assert typed("def f(p): return p + 1") != typed("def f(p): return p + 2")
    assert typed("def f(p): return p in {1, 2}") != typed("def f(p): return p in {1, 3}")
    assert typed("k = 1\ndef f(p): return p + k") != typed("k = 2\ndef f(p): return p + k")
    assert typed("f = (lambda k: lambda p: k)(1)") != typed("f = (lambda k: lambda p: k)(2)")


def test_methods_partials_and_cached_helpers_count() -> None:
    def typed(number: int) -> str:
        names: dict[str, Any] = {"__name__": "__main__"}
        text = (
            "import functools\n"
            "class Base:\n    def m(self): return NUMBER\n"
            "class Kind(Base):\n    pass\n"
            "@functools.cache\ndef helper(k): return Kind().m() + k\n"
            "def g(p, k): return helper(k)\n"
            "f = functools.partial(g, k=1)"
        )
        exec(text.replace("NUMBER", str(number)), names)
        return code_digest(names["f"])

    assert typed(1) == typed(1)
    assert typed(1) != typed(2)


def test_a_helper_called_through_its_module_counts(counted: Counted) -> None:
    from wf_dagster.tasks import locate

    first = code_digest(locate(f"{counted.name}.by_module"))
    counted.edit(counted.helpers, "close * FACTOR", "close + FACTOR")
    counted.restart()
    assert code_digest(locate(f"{counted.name}.by_module")) != first


# ---- many processes, damage, room


@pytest.mark.integration
def test_two_processes_at_once_compute_once(counted: Counted, home: Path) -> None:
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from wf_dagster import Market\n"
        "from wf_dagster.data import ParquetPrices, feature_panel\n"
        "Path(sys.argv[1]).touch()\n"
        f"while len(list(Path({str(counted.folder)!r}).glob('ready-*'))) < 2: time.sleep(0.01)\n"
        f"panel = feature_panel(Market(ParquetPrices({str(counted.prices)!r})),\n"
        f"    {{'func': {counted.function!r}, 'kwargs': {{'slowly': 1.0}}}}, {LABEL!r})\n"
        "print(panel.values.shape, float(panel.values[-40, 0]))"
    )
    path = os.pathsep.join([str(ROOT), str(counted.folder)])
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(counted.folder / f"ready-{number}")],
            env={**os.environ, "PYTHONPATH": path, "WF_HOME": str(home)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    said = [worker.communicate(timeout=120)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    assert said[0] == said[1] != ""
    assert counted.times() == 1


def entries(home: Path) -> list[Path]:
    return [path for path in (home / "cache" / "features").iterdir() if path.is_dir()]


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize("damage", [_empty, _cut, Path.unlink], ids=["empty", "cut", "gone"])
@pytest.mark.parametrize("part", ["values.npy", "index.parquet", "columns.json"])
def test_a_damaged_entry_is_computed_again(
    counted: Counted, home: Path, part: str, damage: Callable[[Path], None]
) -> None:
    first = np.array(counted.panel().values)
    (entry,) = entries(home)
    damage(entry / part)
    cache._map.cache_clear()
    np.testing.assert_array_equal(counted.panel().values, first)
    assert counted.times() == 2
    cache._map.cache_clear()
    counted.panel()
    assert counted.times() == 2


def test_columns_that_do_not_belong_to_the_values_are_damage(counted: Counted, home: Path) -> None:
    counted.panel()
    (entry,) = entries(home)
    (entry / "columns.json").write_text('[["feature", "m"]]')
    cache._map.cache_clear()
    assert list(counted.panel().columns) == [("feature", "m"), ("label", "label")]


def test_the_entry_unused_for_longest_makes_room(
    counted: Counted, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def age(seconds: float, of: set[Path]) -> None:
        for entry in of:
            os.utime(entry, (time.time() - seconds,) * 2)

    oldest_panel = counted.panel(window=1)
    before = np.array(oldest_panel.values)
    oldest = set(entries(home))
    age(2 * cache.IN_USE_SECONDS, oldest)
    counted.panel(window=2)
    used = set(entries(home)) - oldest
    age(3 * cache.IN_USE_SECONDS, used)
    counted.panel(window=2)  # used again: now it is not the one unused for longest
    size = sum(file.stat().st_size for file in next(iter(used)).iterdir())
    monkeypatch.setattr(cache, "LIMIT_BYTES", int(2.5 * size))
    counted.panel(window=4)
    assert len(entries(home)) == 2
    assert used < set(entries(home))
    np.testing.assert_array_equal(oldest_panel.values, before)  # who reads it, keeps it
    assert counted.times() == 3
    counted.panel(window=1)
    assert counted.times() == 4


def test_tables_larger_than_the_limit_stay_while_they_are_in_use_which_is_said_once(
    counted: Counted,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(cache, "LIMIT_BYTES", 1)
    for _ in range(2):
        counted.panel(window=1)
        counted.panel(window=2)
    assert counted.times() == 2
    assert caplog.text.count("tables that were used in the last hour stay") == 1
    for entry in entries(home):
        os.utime(entry, (time.time() - 2 * cache.IN_USE_SECONDS,) * 2)
    counted.panel(window=4)
    assert len(entries(home)) == 1


def test_what_a_killed_process_left_half_written_is_removed(counted: Counted, home: Path) -> None:
    folder = home / "cache" / "features"
    left, at_work = folder / ".part-left", folder / ".part-at-work"
    for part in (left, at_work):
        part.mkdir(parents=True)
        (part / "values.npy").write_bytes(b"half")
    os.utime(left, (time.time() - 2 * cache.ABANDONED_SECONDS,) * 2)
    counted.panel()
    assert not left.exists()
    assert at_work.exists()


def test_a_failing_function_leaves_nothing_behind(counted: Counted, home: Path) -> None:
    source = ParquetPrices(counted.prices)
    with pytest.raises(ZeroDivisionError):
        feature_panel(Market(source), lambda prices: prices / (1 // 0), LABEL)
    assert entries(home) == []


# ---- slices and errors


def test_a_panel_is_cut_by_dates_both_included(counted: Counted) -> None:
    panel = counted.panel()
    frame = panel.slice(DAYS[3], str(DAYS[5].date()))
    assert frame.index.unique("datetime").tolist() == DAYS[3:6].tolist()
    assert len(panel.slice(None, None)) == len(panel.index)
    assert len(panel.slice(None, DAYS[0])) == len(panel.slice(DAYS[-1], None)) == 4
    assert panel.slice(DAYS[5], DAYS[3]).empty
    with pytest.raises(CalendarError, match="'soon' is no date"):
        panel.slice("soon", None)


def test_a_function_may_add_to_the_prices_it_is_given(counted: Counted) -> None:
    def greedy(prices: pd.DataFrame) -> pd.Series:
        prices["close"] = 0.0
        return prices["close"].rename("zero")

    panel = feature_panel(Market(ParquetPrices(counted.prices)), [greedy, counted.function], LABEL)
    known = panel.slice(DAYS[5], DAYS[9])
    assert (known["feature"]["zero"] == 0).all()
    assert (known["feature"]["m"] > 0).all()


def test_prices_that_change_meanwhile_are_not_kept(counted: Counted, home: Path) -> None:
    def changes_the_file(prices: pd.DataFrame) -> pd.DataFrame:
        with_other_future(PRICES, DAYS[5]).to_parquet(counted.prices)
        return prices[["close"]]

    with pytest.raises(DataError, match="changed while features were computed: run it again"):
        feature_panel(Market(ParquetPrices(counted.prices)), changes_the_file, LABEL)
    assert entries(home) == []


def test_the_cache_lives_in_the_home_folder(counted: Counted, tmp_path: Path) -> None:
    wf_dagster.init(home=tmp_path / "elsewhere")
    counted.panel()
    assert len(entries(tmp_path / "elsewhere")) == 1


def no_frame(prices: pd.DataFrame) -> Any:
    return prices["close"].to_numpy()


def other_rows(prices: pd.DataFrame) -> pd.DataFrame:
    return prices[["close"]].iloc[1:]


def words(prices: pd.DataFrame) -> pd.DataFrame:
    return prices[["close"]].assign(close="high")


def no_columns(prices: pd.DataFrame) -> pd.DataFrame:
    return prices[[]]


def breaks(prices: pd.DataFrame) -> pd.DataFrame:
    return prices["close"] + object()  # type: ignore[operator,return-value]


M = "wf_dagster.data.features.momentum"
WRONG: dict[str, tuple[Any, type[Exception], str]] = {
    "no frame": (no_frame, DataError, "no_frame must return a frame with the rows of the prices"),
    "other rows": (other_rows, DataError, "other_rows must return a frame with the rows"),
    "words": (words, DataError, "words must return numbers"),
    "no columns": (no_columns, DataError, "no feature is computed"),
    "twice": ([M, M], DataError, "feature 'momentum_10' is computed twice"),
    "no such": ("wf_dagster.data.features.momentm", TaskError, "did you mean 'momentum'"),
    "no name": ({"kwargs": {}}, TaskError, "names no function: write"),
    "no function": (7, TaskError, "7 is no function: write its dotted path"),
    "kwargs": ({"func": M, "kwargs": {"w": 3}}, TaskError, r"momentum does not take \{'w': 3\}"),
    "its own mistake": (breaks, TypeError, "unsupported operand"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_feature_definition_is_one_clear_error(counted: Counted, case: str) -> None:
    features, kind, message = WRONG[case]
    with pytest.raises(kind, match=message):
        feature_panel(Market(ParquetPrices(counted.prices)), features, LABEL)


def test_an_empty_universe_is_an_error(counted: Counted) -> None:
    with pytest.raises(DataError, match="the universe is empty"):
        counted.panel(universe=[])
    with pytest.raises(DataError, match=r"1 of 1 .* 'AAPL' \(there are: S000, S001"):
        counted.panel(universe=["AAPL"])
