"""Expressions of many instruments at once: to the bit what Qlib computes for each."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import wf_dagster
from tests.qlib.bridge_calls import initialise_qlib
from tests.qlib.provider import seeded_panel, write_provider

ORDERLY = ["SH600000", "SH600001", "SH600002", "SH600003"]
FLAT, HALTED, SHORT, WITHOUT = "SH600004", "SH600005", "SH600006", "SH600007"
LIKE_EACH_OTHER = [*ORDERLY, FLAT, HALTED]
DATES = ("2019-03-01", "2019-09-30")

leaves = st.sampled_from(["$close", "$open", "$volume", "$vwap", "$close", "$factor"])
numbers = st.sampled_from(["1", "2", "0.5", "-1", "1e-12"])
windows = st.sampled_from([1, 2, 5, 20])
shifts = st.sampled_from([1, 5, -1, -3, 0])


def calls(name, *parts):
    return st.tuples(*parts).map(lambda parts: f"{name}({', '.join(map(str, parts))})")


def grown(inner):
    rolling = ["Mean", "Sum", "Std", "Var", "Max", "Min", "Med", "Mad", "Count", "Rank", "Slope"]
    rolling += ["Rsquare", "Resi", "IdxMax", "IdxMin", "Delta", "WMA", "EMA"]
    compared = st.tuples(inner, st.sampled_from([">", "<", ">=", "<=", "==", "!="]), inner).map(
        lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"
    )
    return st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), st.one_of(inner, numbers)).map(
            lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"
        ),
        st.tuples(numbers, st.sampled_from("+-*/"), inner).map(
            lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"
        ),
        st.sampled_from(rolling).flatmap(lambda name: calls(name, inner, windows)),
        st.sampled_from(["Greater", "Less"]).flatmap(lambda name: calls(name, inner, inner)),
        st.sampled_from(["Corr", "Cov"]).flatmap(lambda name: calls(name, inner, inner, windows)),
        st.sampled_from(["Abs", "Log", "Sign"]).flatmap(lambda name: calls(name, inner)),
        calls("Quantile", inner, windows, st.sampled_from([0.2, 0.5, 0.8])),
        calls("Ref", inner, shifts),
        calls("Power", inner, st.sampled_from([2, 0.5])),
        calls("If", compared, inner, inner),
        calls("Mean", compared, windows),
        calls("If", st.tuples(compared, compared).map(" & ".join).map("({})".format), inner, inner),
        calls("If", calls("Not", compared), inner, inner),
        compared,
        calls("If", compared, st.sampled_from(["1", "2", "$open"]), st.sampled_from(["0", "1"])),
        st.tuples(inner, st.sampled_from("&|"), inner).map(
            lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"
        ),
        calls("ChangeInstrument", st.sampled_from(["'SH600000'", "'SH600002'"]), inner),
    )


expressions = st.recursive(leaves, grown, max_leaves=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Late listings, early ends, gaps, a flat price, no trade, a short file and a missing one."""
    prices = seeded_panel(8, 220)
    names = prices.index.get_level_values("instrument")
    prices.loc[names == FLAT, ["open", "close", "vwap"]] = 20.0
    prices.loc[prices.index[names == HALTED][50:80], "volume"] = 0.0
    provider = write_provider(
        tmp_path_factory.mktemp("expressions"), prices, markets={"few": ["SH600000", FLAT]}
    )
    short = provider / "features" / SHORT.lower() / "volume.day.bin"
    np.fromfile(short, dtype="<f4")[:-40].tofile(short)
    (provider / "features" / WITHOUT.lower() / "vwap.day.bin").unlink()
    return provider


@pytest.fixture
def engine(folder):
    """The engine, Qlib being at the folder."""
    wf_dagster.init(qlib_provider_uri=str(folder), qlib_region="us")
    initialise_qlib()
    from wf_dagster.qlib_engine import expressions as module

    return module


def by_qlib(instruments, fields, dates):
    from qlib.config import C
    from qlib.data import D
    from qlib.data.cache import H

    H.clear()
    kernels, C["kernels"] = C["kernels"], 1
    try:
        return D.features(instruments, fields, *dates).swaplevel().sort_index()
    finally:
        C["kernels"] = kernels


def here_or_by_qlib(engine, *request):
    names, fields, dates = request
    ours = engine.compute_features(names, fields, *dates, "day")
    return by_qlib(*request) if ours is None else ours


def assert_same(ours, theirs):
    assert ours.index.equals(theirs.index)
    assert ours.index.names == theirs.index.names
    for field in theirs:
        np.testing.assert_array_equal(
            ours[field].to_numpy(), theirs[field].to_numpy(), err_msg=field, strict=True
        )


@pytest.mark.filterwarnings("ignore")
# Qlib stays where it is; how long it takes depends on what else runs
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    names=st.sampled_from([LIKE_EACH_OTHER, [*LIKE_EACH_OTHER, SHORT, WITHOUT]]),
    field=expressions,
    dates=st.sampled_from([DATES, ("2019-01-02", "2019-02-11"), (None, None)]),
    beside=st.sampled_from([[], ["$close"]]),
)
def test_the_same_as_qlib(engine, names, field, dates, beside):
    fields = [field, *beside]
    try:
        theirs = by_qlib(names, fields, dates)
    except Exception as error:
        with pytest.raises(type(error)):
            here_or_by_qlib(engine, names, fields, dates)
        return
    ours = engine.compute_features(names, fields, *dates, "day")
    if ours is not None:
        assert_same(ours, theirs)
    elif beside and "ChangeInstrument" not in field:  # rows that only one of the fields has
        assert theirs["$close"].isna().any()


def test_all_of_alpha158_without_qlibs_own_way(engine, monkeypatch):
    from qlib.contrib.data.loader import Alpha158DL

    def never(*args):
        raise AssertionError("left to Qlib")

    from wf_dagster.qlib_engine import operators

    monkeypatch.setattr(operators, "_by_instrument", never)
    monkeypatch.setattr(engine._Rows, "by_qlib", never)
    fields, _ = Alpha158DL.get_feature_config(
        {"kbar": {}, "price": {"windows": [0], "feature": ["OPEN", "VWAP"]}, "rolling": {}}
    )
    ours = engine.compute_features(LIKE_EACH_OTHER, fields, *DATES, "day")
    assert_same(ours, by_qlib(LIKE_EACH_OTHER, fields, DATES))


@pytest.mark.parametrize("field", ["$vwap/$close", "Mean($volume, 5)", "Count($vwap, 3)"])
def test_fields_of_other_lengths_are_aligned_as_qlib_does(engine, field):
    names = ["SH600000", SHORT, WITHOUT]
    fields = [field, "$close"]
    ours = engine.compute_features(names, fields, *DATES, "day")
    assert ours is not None
    assert_same(ours, by_qlib(names, fields, DATES))


def test_instruments_belong_to_their_list_for_some_time(engine):
    def spans(*pairs):
        return [tuple(map(pd.Timestamp, pair)) for pair in pairs]

    names = {
        "SH600001": spans(("2019-01-01", "2019-04-30"), ("2019-06-03", "2019-07-31")),
        "SH600000": spans(("2019-05-01", "2019-12-31")),
        "SH600002": spans(("2018-01-01", "2018-12-31")),  # never, as far as these dates go
    }
    fields = ["$close", "Ref($close, -2)/Ref($close, -1) - 1", "Std($close, 20)"]
    ours = engine.compute_features(names, fields, *DATES, "day")
    assert_same(ours, by_qlib(names, fields, DATES))
    assert set(ours.index.get_level_values("instrument")) == {"SH600000", "SH600001"}


def test_operators_of_ones_own_are_left_to_qlib(engine, monkeypatch):
    from qlib.data import ops

    class Mean(ops.Mean):
        def _load_internal(self, *args):
            return -super()._load_internal(*args)

    monkeypatch.setitem(ops.Operators._ops, "Mean", Mean)
    from qlib.data.data import ExpressionD

    ExpressionD.expression_instance_cache.clear()
    fields = ["Mean($close, 5) + 1"]
    ours = engine.compute_features(["SH600000"], fields, *DATES, "day")
    assert (ours[fields[0]] < 0).all()
    assert_same(ours, by_qlib(["SH600000"], fields, DATES))
    ExpressionD.expression_instance_cache.clear()


@pytest.mark.parametrize(
    "fields",
    [
        ["ChangeInstrument('SH600002', $close)"],  # which ends before the others
        ["ChangeInstrument('SH600000', $close)", "$close"],  # which begins before the others
        ["If($close > 20, 'a', 'b')", "$close"],
        ["Feature('close') + $open"],
        ["$nothing"],
    ],
)
def test_other_rows_than_the_instruments_and_other_values_than_numbers(engine, fields):
    assert engine.compute_features(ORDERLY, fields, *DATES, "day") is None


def test_windows_wider_than_the_data(engine):
    fields = [f"{name}($close, 1000)" for name in ("IdxMax", "IdxMin", "Mean", "Slope", "Rank")]
    ours = engine.compute_features(ORDERLY, fields, *DATES, "day")
    assert_same(ours, by_qlib(ORDERLY, fields, DATES))


def test_a_field_of_another_instrument_beside_one_of_its_own(engine):
    fields = ["ChangeInstrument('SH600002', $close)", "$close"]
    names = ["SH600000", "SH600003"]
    ours = engine.compute_features(names, fields, *DATES, "day")
    assert ours is not None
    assert_same(ours, by_qlib(names, fields, DATES))


@pytest.mark.parametrize("dates", [("2030-01-01", "2030-12-31"), ("2018-01-01", "2018-12-31")])
def test_no_rows(engine, dates):
    assert engine.compute_features(["SH600000"], ["$close"], *dates, "day") is None


def test_what_is_wrong_with_an_expression_is_said_as_qlib_says_it(engine):
    field = "$close & $open"
    with warnings.catch_warnings(), pytest.raises(TypeError) as theirs:
        by_qlib(["SH600000"], [field], DATES)
    with pytest.raises(TypeError) as ours:
        engine.compute_features(["SH600000"], [field], *DATES, "day")
    assert str(ours.value) == str(theirs.value)


@pytest.mark.parametrize("cache", ["expression_cache", "dataset_cache"])
def test_where_qlib_keeps_files_of_its_own_it_computes(engine, monkeypatch, cache):
    from qlib.data.data import DatasetD, ExpressionD

    assert engine.is_local()
    wrapper = ExpressionD if cache == "expression_cache" else DatasetD
    monkeypatch.setattr(wrapper, "_provider", object())
    assert not engine.is_local()
