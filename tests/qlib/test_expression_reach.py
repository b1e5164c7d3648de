"""How far ahead an expression looks: by hand, and by what Qlib computes from other later data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import wf_dagster
from tests.qlib.bridge_calls import initialise_qlib, make_handler
from tests.qlib.provider import seeded_panel, write_provider
from tests.qlib.test_look_ahead import with_feature
from wf_dagster import RollingGen, task_generator, task_train
from wf_dagster.errors import DataError
from wf_dagster.market import Market

END = pd.Timestamp("2019-10-16")
HONEST = [
    ("$close", 0),
    ("Ref($close, 3)", -3),
    ("Ref(Ref($close, 5), -2)", -3),
    ("Ref(Ref($close, -2)/Ref($close, -1) - 1, 2)", 0),
    ("Ref(Ref($close, -3)/$close - 1, 3)", 0),
    ("Mean(Ref(Ref($close, -4), 4), 5) - Ref(Mean($close, 5), 1)", 0),
    ("If(Ref(Ref($close, -1), 1) > $open, Ref($close, 2), 0)", 0),
    ("Delta(Ref(Ref($close, -3), 3), 4)", 0),
    ("Ref($close, 0)/$close", 0),
    ("Delta($close, 0)", 0),
    ("Mean($close, 0)", 0),
    ("Corr(Ref(Ref($close, -2), 2), $volume, 5)", 0),
    ("ChangeInstrument('SH600000', Ref(Ref($close, -2), 2))", 0),
    ("Power(Abs(Log(Ref($close, 1))), 2)", -1),
    ("EMA(Quantile($close, 5, 0.8), 0.3)", 0),
]
AHEAD = [
    ("Ref($close, -2)/Ref($close, -1) - 1", 2),
    ("Ref(Ref($close, -5), 2)", 3),
    ("Ref(Ref(Ref($close, -2), 1), -3)", 4),
    ("Delta($close, -3)", 3),
    ("Delta(Ref($close, 1), -3)", 2),
    ("Mean(Ref($close, -5), 4)", 5),
    ("Cov($close, Ref($volume, -3), 5)", 3),
    ("If($close > Ref($open, -1), 1, 0)", 1),
    ("Ref($close, 30)/Mean(Ref($close, -3), 8)", 3),
    ("1 - Max(Ref(Ref($close, 2), -4), 3)", 2),
]


OPEN = {  # else what is ahead
    "Ref(Ref($close, 5), -2)": 2,
    "1 - Max(Ref(Ref($close, 2), -4), 3)": 4,
    "Delta(Ref($close, 1), -3)": 3,
}


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    """What Qlib computes from all data, from those that end early, and with others after that."""
    folder = tmp_path_factory.mktemp("reach")
    panel = seeded_panel()
    is_later = panel.index.get_level_values("datetime") > END
    factors = np.random.default_rng(5).uniform(0.2, 5.0, panel.shape)
    panels = {
        "all": panel,
        "ending": panel[~is_later],
        "altered": panel * np.where(is_later[:, None], factors, 1.0),
    }
    return {name: _compute(folder / name, prices) for name, prices in panels.items()}


def _compute(folder: Path, panel: pd.DataFrame) -> pd.DataFrame:
    write_provider(folder, panel)
    wf_dagster.init(qlib_provider_uri=str(folder), qlib_region="us")
    initialise_qlib()
    from qlib.data import D

    fields = [expression for expression, _ in [*HONEST, *AHEAD]]
    until = END + pd.offsets.BDay(40)  # a loaded range ends where no value is looked at
    frame: pd.DataFrame = D.features(D.instruments("all"), fields, "2019-03-01", until)
    return frame.swaplevel().sort_index().loc[:END]


@pytest.mark.parametrize(("expression", "reach"), [*HONEST, *AHEAD])
def test_no_value_needs_more_and_some_need_as_much(values, expression: str, reach: int) -> None:
    initialise_qlib()
    from qlib.data.data import ExpressionD

    from wf_dagster.qlib_engine.expression_reach import count_open, measure_reach

    parsed = ExpressionD.get_expression_instance(expression)
    unknown = OPEN.get(expression, max(reach, 0))
    assert (measure_reach(parsed), count_open(parsed)) == (reach, unknown)
    frames = {name: frame[expression].unstack() for name, frame in values.items()}
    for name, latest in (("altered", max(reach, 0)), ("ending", unknown)):
        whole, other = frames["all"], frames[name]
        assert whole.index[-1] == other.index[-1] == END
        is_same = np.isclose(whole, other, rtol=1e-5, equal_nan=True).all(axis=1)
        assert is_same[: len(is_same) - latest].all(), name
        assert not is_same[len(is_same) - latest :].all() or not latest, name


def test_operators_that_are_not_known_are_believed_or_say_too_little(seeded) -> None:
    initialise_qlib()
    from qlib.data.ops import Feature, Operators, Ref

    from wf_dagster.qlib_engine.expression_reach import measure_reach

    class Earlier(Ref):  # type: ignore[misc]
        """Does what no one knows."""

        def get_extended_window_size(self) -> tuple[int, int]:
            return 0, 4

    class Silent(Ref):  # type: ignore[misc]
        def get_extended_window_size(self) -> tuple[int, int]:
            return 0, 0

    Operators.register([Earlier, Silent])
    close = Feature("close")
    assert measure_reach(Earlier(close, 9)) == 4
    assert measure_reach(Ref(Earlier(close, 9), 1)) == 3
    assert measure_reach(Silent(Ref(close, -2), 9)) == 2


def test_operators_that_qlib_does_not_register_are_named(seeded) -> None:
    initialise_qlib()
    from qlib.contrib.ops.high_freq import BFillNan
    from qlib.data.ops import Operators

    from wf_dagster.qlib_bridge import look_ahead

    Operators.register([BFillNan])  # it fills with later values, and says that it needs none
    assert list(look_ahead._own_operators("Mean(BFillNan($close), 2)")) == ["BFillNan"]


@pytest.mark.parametrize(
    "expression", ["Ref(Ref($close, -2)/Ref($close, -1) - 1, 2)", "Ref(Ref($close, 5), -2)/$close"]
)
def test_what_a_later_shift_takes_back_is_trained_with(seeded, expression: str) -> None:
    first = task_generator(with_feature(expression), RollingGen(40, "sliding", trunc_days=2))[0]
    assert task_train(first, "honest").status == "FINISHED"


def test_a_delta_to_a_later_session_is_refused(seeded) -> None:
    with pytest.raises(DataError, match=r"feature 'EXTRA' looks 3 sessions ahead"):
        task_train(with_feature("Delta($close, -3)"), "leak")


def test_a_label_is_late_by_what_it_needs(seeded, caplog: pytest.LogCaptureFixture) -> None:
    """Five sessions ahead, two of them taken back: trunc_days=3 is enough, and 2 is not."""
    template = with_feature("$open/$close", "Ref(Ref($close, -5)/$close - 1, 2)")
    enough = task_generator(template, RollingGen(40, "sliding", trunc_days=3))[0]
    assert task_train(enough, "enough").status == "FINISHED"
    short = task_generator(template, RollingGen(40, "sliding", trunc_days=2))[0]
    with pytest.raises(DataError, match=r"with trunc_days=3 \(now 2\)"):
        task_train(short, "short")


def test_a_replay_date_shows_what_data_show_that_end_with_it(
    seeded, caplog: pytest.LogCaptureFixture
) -> None:
    """The last two values of a shift ahead around a shift back are not there: there is no row."""
    config = with_feature("Ref(Ref($close, 5), -2)")["dataset"]["kwargs"]["handler"]
    frame = make_handler(config, Market(as_of=END)).fetch(col_set="__raw", data_key="raw")
    rows = frame.xs("SH600000", level="instrument")
    extra, closes = rows["feature", "EXTRA"], seeded_panel()["close"].xs("SH600000", level=1)
    assert extra.isna().iloc[-3:].tolist() == [False, True, True]
    assert extra.iloc[-3] == pytest.approx(closes.loc[:END].iloc[-6], rel=1e-6)
    task_train(with_feature("Ref(Ref($close, 5), -2)"), "skew")
    assert "features ['EXTRA'] are empty in the last 2 sessions of the data" in caplog.text
