"""Ensembles and groups, against Qlib's recorded results and plain pandas."""

from __future__ import annotations

import inspect

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import figures, frames
from wf_dagster.collect import (
    AverageEnsemble,
    Collector,
    Ensemble,
    Group,
    MergeCollector,
    RecorderCollector,
    RollingEnsemble,
    RollingGroup,
    SingleKeyEnsemble,
)
from wf_dagster.collect.row_codes import look_up_rows, merge_frames
from wf_dagster.errors import CollectError, RecordError
from wf_dagster.records import ic_series

QLIB = figures.load()


def _same(merged, wanted):
    merged = merged.iloc[:, 0] if isinstance(merged, pd.DataFrame) else merged
    assert list(merged.index) == list(wanted.index)
    assert merged.to_numpy() == pytest.approx(wanted.to_numpy(), rel=1e-12, nan_ok=True)


def _column(rows, name="score"):
    index = pd.MultiIndex.from_tuples(
        [(pd.Timestamp(day), instrument) for day, instrument, _ in rows],
        names=["datetime", "instrument"],
    )
    return pd.DataFrame({name: [value for *_, value in rows]}, index, dtype="float64")


# Qlib's results


def test_grouped_rolls_are_joined_as_by_qlib():
    joined_rolls = RollingGroup()(frames.rolls())
    assert list(joined_rolls) == [("ridge",), ("lgbm",)]
    for key, joined in joined_rolls.items():
        _same(joined, figures.series(QLIB["rolling"][key[0]]))


def test_rolls_are_joined_as_by_qlib():
    rolls = {key[1]: frame for key, frame in frames.rolls().items() if "lgbm" in key}
    _same(RollingEnsemble()(rolls), figures.series(QLIB["rolling_one"]))


def test_models_are_averaged_as_by_qlib():
    joined = RollingGroup()(frames.rolls())
    _same(AverageEnsemble()(joined), figures.series(QLIB["average"]))
    nested = {"a": {"b": joined["ridge",]}, "c": joined["lgbm",]}
    _same(AverageEnsemble()(nested), figures.series(QLIB["average_nested"]))


@pytest.mark.parametrize(
    ("name", "value", "recursion"),
    [
        ("nested", {"a": {"b": {"c": 1}}}, True),
        ("flat", {"a": {"b": {"c": 1}}}, False),
        ("two", {"a": {"b": 1}, "c": {"d": 2, "e": 3}}, True),
        ("empty", {"a": {}}, True),
    ],
)
def test_a_single_key_is_unwrapped_as_by_qlib(name, value, recursion):
    before = repr(value)
    assert SingleKeyEnsemble()(value, recursion) == QLIB["single"][name]
    assert repr(value) == before


def test_the_arguments_are_those_of_qlib_in_the_same_order():
    """Taken from Qlib 0.9.7, so that positional arguments keep their meaning."""
    wanted = {
        Collector.__init__: ["process_list"],
        Collector.process_collect: ["collected_dict", "process_list", "args", "kwargs"],
        MergeCollector.__init__: ["collector_dict", "process_list", "merge_func"],
        RecorderCollector.__init__: [
            "experiment", "process_list", "rec_key_func", "rec_filter_func", "artifacts_path",
            "artifacts_key", "list_kwargs", "status",
        ],
        RecorderCollector.collect: ["artifacts_key", "rec_filter_func", "only_exist"],
        Group.__init__: ["group_func", "ens"],
        Group.__call__: ["ungrouped_dict", "n_jobs", "verbose", "args", "kwargs"],
        RollingGroup.__init__: ["ens"],
        RollingGroup.group: ["rolling_dict"],
        Ensemble.__call__: ["ensemble_dict", "args", "kwargs"],
        SingleKeyEnsemble.__call__: ["ensemble_dict", "recursion"],
    }  # fmt: skip
    for function, names in wanted.items():
        assert [n for n in inspect.signature(function).parameters if n != "self"] == names


# rolling


def test_the_later_roll_counts_where_two_overlap_whatever_their_order():
    early = _column([("2021-01-04", "A", 1), ("2021-01-05", "A", 1)])
    late = _column([("2021-01-05", "A", 2), ("2021-01-06", "A", 2)])
    for rolls in ({"x": early, "y": late}, {"x": late, "y": early}):
        assert RollingEnsemble()(rolls)["score"].tolist() == [1, 2, 2]


def test_an_empty_roll_adds_nothing():
    full = _column([("2021-01-04", "A", 1)])
    assert RollingEnsemble()({1: full.iloc[:0], 2: full}).equals(full)
    assert RollingEnsemble()({1: full.iloc[:0]}).empty


def test_daily_series_are_joined_too():
    days = pd.bdate_range("2021-01-04", periods=4, name="datetime")
    ic = pd.Series([0.1, 0.2, 0.3, 0.4], days, name="IC")
    joined = RollingEnsemble()({"b": ic.iloc[2:], "a": ic.iloc[:3]})
    pd.testing.assert_series_equal(joined, ic, check_freq=False)


_ROWS = st.lists(
    st.tuples(st.integers(0, 6), st.sampled_from("ABCD")), min_size=1, max_size=12, unique=True
)


@settings(deadline=None, max_examples=150)
@given(st.lists(_ROWS, min_size=1, max_size=4), st.booleans())
def test_merged_frames_are_those_of_pandas(row_sets, several_columns):
    parts = []
    for number, rows in enumerate(row_sets):
        days = [pd.Timestamp("2021-03-01") + pd.Timedelta(days=day) for day, _ in rows]
        frame = _column(
            [(day, name, number * 100 + place)
             for place, (day, (_, name)) in enumerate(zip(days, rows, strict=True))]
        )  # fmt: skip
        parts.append(frame.assign(**{f"x{number}": 1.0}) if several_columns else frame)
    joined = pd.concat(parts)
    wanted = joined[~joined.index.duplicated(keep="last")].sort_index()
    merged = merge_frames(parts)
    pd.testing.assert_frame_equal(merged, wanted)
    rows = pd.MultiIndex.from_product(
        [pd.date_range("2021-02-28", periods=9), list("ACZ")], names=["datetime", "instrument"]
    )
    values = look_up_rows(merged["score"], rows)
    np.testing.assert_array_equal(values, wanted["score"].reindex(rows).to_numpy())


def test_rows_that_are_no_pairs_are_merged_too():
    first = pd.DataFrame({"v": [1.0, 2.0]}, pd.Index(["b", "a"], name="k"))
    second = pd.DataFrame({"v": [3.0]}, pd.Index(["b"], name="k"))
    assert merge_frames([first, second])["v"].to_dict() == {"a": 2.0, "b": 3.0}
    assert look_up_rows(merge_frames([first, second])["v"], pd.Index(["b", "c"])).tolist()[0] == 3.0


# averaging


def test_a_day_with_one_instrument_scores_zero_where_qlib_loses_the_row():
    column = _column([("2021-01-04", "A", 3), ("2021-01-05", "A", 1), ("2021-01-05", "B", 2)])
    average = AverageEnsemble()({"m": column})
    assert average.iloc[0] == 0.0
    assert average.iloc[1:].tolist() == pytest.approx([-(0.5**0.5), 0.5**0.5])


def test_a_model_that_says_nothing_on_a_day_leaves_it_to_the_others():
    ramp = [("2021-01-04", name, value) for value, name in enumerate("ABC")]
    average = AverageEnsemble()({"flat": _column([(d, n, 0.1) for d, n, _ in ramp]),
                              "ramp": _column(ramp)})  # fmt: skip
    assert average.tolist() == pytest.approx([-1.0, 0.0, 1.0])
    alone = AverageEnsemble()({"flat": _column([(d, n, 0.1) for d, n, _ in ramp])})
    assert alone.tolist() == [0.0, 0.0, 0.0]


def test_rows_of_one_model_alone_count_and_unknown_scores_stay_unknown():
    left = _column([("2021-01-04", "A", 1), ("2021-01-04", "B", 3), ("2021-01-04", "C", np.nan)])
    right = _column([("2021-01-04", "B", 1), ("2021-01-04", "D", 3)])
    average = AverageEnsemble()({"l": left, "r": right}).droplevel("datetime")
    half = 0.5**0.5
    assert average["A"] == pytest.approx(-half)
    assert average["B"] == pytest.approx((half - half) / 2)
    assert np.isnan(average["C"])
    assert average["D"] == pytest.approx(half)


# what is refused


FRAME = _column([("2021-01-04", "A", 1)])


@pytest.mark.parametrize("ensemble", [RollingEnsemble(), AverageEnsemble()])
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "nothing to merge"),
        ({"a": [1]}, "got a list under 'a'"),
        ({"a": FRAME.droplevel("datetime")}, "one of them must be 'datetime'"),
        ([FRAME], "got a list: it merges the values of a dict"),
        (FRAME, "got a DataFrame: it merges the values of a dict"),
    ],
)
def test_what_cannot_be_merged_is_refused_in_words(ensemble, values, message):
    with pytest.raises(CollectError, match=message) as caught:
        ensemble(values)
    assert type(ensemble).__name__ in str(caught.value)


def _spell(frame, day=None, name=None):
    """The same rows with days or codes spelled in another way."""
    rows = frame.reset_index()
    rows["datetime"] = rows["datetime"].map(day or (lambda value: value))
    rows["instrument"] = rows["instrument"].map(name or (lambda value: value))
    return rows.set_index(["datetime", "instrument"])


CODES = _column([("2021-01-04", "600000", 1), ("2021-01-04", "600519", 2)])


@pytest.mark.parametrize("ensemble", [RollingEnsemble(), AverageEnsemble()])
@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            _spell(CODES, name=int),
            r"`instrument` is text in 'ours' \(such as '600000'\) and numbers in 'theirs' "
            r"\(such as 600000\): make both text",
        ),
        (
            CODES.tz_localize("UTC", level="datetime"),
            r"`datetime` is days without time zone in 'ours' \(such as 2021-01-04 00:00:00\) and "
            r"days in time zone UTC in 'theirs' .*: make both days without time zone",
        ),
        (
            _spell(CODES, day=lambda day: day.strftime("%Y-%m-%d")),
            r"'ours' .* and text in 'theirs' \(such as '2021-01-04'\): make both days",
        ),
        (_spell(CODES, day=lambda day: day.date()), "date objects in 'theirs'"),
        (CODES.swaplevel(), r"'ours' has rows named .*, 'theirs' \['instrument', 'datetime'\]"),
    ],
)
def test_rows_that_can_never_be_equal_are_refused_with_both_names(ensemble, other, message):
    with pytest.raises(CollectError, match=message):
        ensemble({"ours": CODES, "theirs": other})


def test_rows_that_can_be_equal_are_merged_however_they_are_stored():
    coarse = CODES.copy()
    coarse.index = coarse.index.set_levels(coarse.index.levels[0].as_unit("s"), level=0)
    numbers = _spell(CODES, name=int)
    mixed = pd.concat([numbers, CODES])
    for left, right in (
        (CODES, coarse),
        (CODES, CODES.iloc[:0]),
        (numbers, _spell(CODES, name=float)),
        (numbers, mixed.iloc[:2]),  # labels that are not used any more do not count
    ):
        assert len(AverageEnsemble()({"l": left, "r": right})) == 2


def test_labels_of_other_codes_than_the_predictions_are_refused():
    with pytest.raises(
        RecordError, match="no row in common: `instrument` is text in 'predictions'"
    ):
        ic_series(CODES["score"], _spell(CODES, name=int)["score"])


def test_a_row_that_is_there_twice_is_not_averaged():
    with pytest.raises(CollectError, match=r"'m' has the row .*'A'.* twice"):
        AverageEnsemble()({"m": pd.concat([FRAME, FRAME])})


@pytest.mark.parametrize("key", ["ridge", 3, None])
def test_a_key_without_a_roll_is_refused(key):
    with pytest.raises(CollectError, match=f"the key {key!r} is no tuple .* rec_key_func"):
        RollingGroup()({key: FRAME})


def test_groups_of_no_dict_are_refused():
    with pytest.raises(CollectError, match="RollingGroup got a list"):
        RollingGroup()([FRAME])
    with pytest.raises(CollectError, match=r"Group\.group gave a list"):
        Group(list, RollingEnsemble())({"a": FRAME})


def test_a_group_without_functions_says_what_to_give():
    with pytest.raises(CollectError, match="give it group_func"):
        Group()({"a": FRAME})
    with pytest.raises(CollectError, match="give it ens"):
        Group(lambda values: {"all": values})({"a": FRAME})
    with pytest.raises(NotImplementedError, match="does not say how it merges"):
        Ensemble()({})


def test_groups_are_merged_in_order_by_any_number_of_threads():
    def by_tens(values, start=0):
        groups = {}
        for key, value in values.items():
            groups.setdefault(key // 10 + start, {})[key] = value
        return groups

    values = {number: number for number in range(95)}
    group = Group(by_tens, lambda members: sum(members.values()))
    wanted = {number: sum(range(number * 10, min(95, number * 10 + 10))) for number in range(10)}
    for jobs in (1, 3, -1):
        merged = group(values, jobs)
        assert merged == wanted
        assert list(merged) == list(wanted)
    assert list(group(values, 1, 0, start=5)) == list(range(5, 15))
