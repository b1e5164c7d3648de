"""Collectors on real recorders."""

from __future__ import annotations

import contextlib
import logging

import pandas as pd
import pytest

from tests.reference import frames
from wf_dagster import R
from wf_dagster.collect import (
    AverageEnsemble,
    Collector,
    MergeCollector,
    RecorderCollector,
    RollingGroup,
    SingleKeyEnsemble,
)
from wf_dagster.errors import CollectError, ExperimentNotFoundError, ObjectNotFoundError

EXPERIMENT = "collect"


def _save_recorder(name, objects, experiment=EXPERIMENT, **tags):
    with R.start(experiment_name=experiment, recorder_name=name, tags=tags):
        R.save_objects(**objects)
        return R.get_recorder()


def _by_name(recorder):
    return tuple(recorder.name.split("/"))


@pytest.fixture
def rolls():
    """Six rolls of two models, their recorders by key."""
    return {
        key: _save_recorder("/".join(key), {"pred.pkl": frame, "extra.pkl": key[1]})
        for key, frame in frames.rolls().items()
    }


def test_everything_is_collected_by_recorder_id(rolls):
    collected = RecorderCollector(EXPERIMENT)()
    assert list(collected) == ["pred"]
    assert list(collected["pred"]) == [recorder.id for recorder in rolls.values()]
    for key, recorder in rolls.items():
        pd.testing.assert_frame_equal(collected["pred"][recorder.id], frames.rolls()[key])


@pytest.mark.usefixtures("rolls")
def test_collected_grouped_and_averaged_in_one_call():
    collector = RecorderCollector(
        EXPERIMENT, [RollingGroup(), AverageEnsemble()], rec_key_func=_by_name
    )
    wanted = AverageEnsemble()(RollingGroup()(frames.rolls()))
    pd.testing.assert_series_equal(collector()["pred"], wanted)


@pytest.mark.usefixtures("rolls")
@pytest.mark.parametrize("key", ["extra", ["extra"], ("extra",)])
def test_artifacts_are_chosen_by_one_name_or_several(key):
    paths = {"pred": "pred.pkl", "extra": "extra.pkl"}
    collector = RecorderCollector(EXPERIMENT, rec_key_func=_by_name, artifacts_path=paths)
    assert set(collector.collect()) == {"pred", "extra"}
    assert set(collector.collect(key)) == {"extra"}
    chosen = RecorderCollector(
        EXPERIMENT, rec_key_func=_by_name, artifacts_path=paths, artifacts_key=key
    )
    assert chosen.collect()["extra"]["ridge", "roll1"] == "roll1"


def test_the_raw_artifact_is_the_recorder_itself(rolls):
    collected = RecorderCollector(
        EXPERIMENT, rec_key_func=_by_name, artifacts_key="__raw"
    ).collect()
    assert collected == {"__raw": rolls}


@pytest.mark.usefixtures("rolls")
def test_recorders_are_filtered():
    collector = RecorderCollector(EXPERIMENT, rec_key_func=_by_name)
    collected = collector.collect(rec_filter_func=lambda recorder: "lgbm" in recorder.name)
    assert {key[0] for key in collected["pred"]} == {"lgbm"}
    none = RecorderCollector(EXPERIMENT, rec_filter_func=lambda recorder: False)
    assert none() == {}


def test_only_finished_recorders_count_unless_asked():
    _save_recorder("good", {"pred.pkl": 1})
    with (
        contextlib.suppress(KeyboardInterrupt),
        R.start(experiment_name=EXPERIMENT, recorder_name="bad"),
    ):
        R.save_objects(**{"pred.pkl": 2})
        raise KeyboardInterrupt
    for status, names in (
        (("FINISHED",), {"good"}),
        ("FAILED", {"bad"}),
        (["FAILED", "FINISHED"], {"good", "bad"}),
        (None, {"good", "bad"}),
    ):
        collector = RecorderCollector(EXPERIMENT, rec_key_func=lambda r: r.name, status=status)
        assert set(collector.collect()["pred"]) == names


def test_what_is_missing_is_left_out_with_a_warning_or_raised(caplog):
    _save_recorder("whole", {"pred.pkl": 1})
    lacking = _save_recorder("lacking", {"other.pkl": 1})
    collector = RecorderCollector(EXPERIMENT, rec_key_func=lambda r: r.name)
    with caplog.at_level(logging.WARNING):
        assert collector.collect() == {"pred": {"whole": 1}}
    assert f"recorder {lacking.id} holds no 'pred.pkl'" in caplog.text
    with pytest.raises(ObjectNotFoundError, match=rf"{lacking.id} holds no 'pred\.pkl'"):
        collector.collect(only_exist=False)


def test_of_recorders_with_one_key_the_last_counts_and_a_warning_names_it(caplog):
    """Two templates of one model class get one key from a function that looks at the class."""
    _save_recorder("a", {"pred.pkl": "first"})
    second = _save_recorder("b", {"pred.pkl": "second"})
    collector = RecorderCollector(EXPERIMENT, rec_key_func=lambda r: ("Ridge", "2020-01-01"))
    with caplog.at_level(logging.WARNING):
        assert collector.collect() == {"pred": {("Ridge", "2020-01-01"): "second"}}
    assert f"key ('Ridge', '2020-01-01') is there twice, recorder {second.id} counts" in caplog.text


def test_keys_are_made_once_a_recorder_and_not_for_one_that_gives_nothing():
    _save_recorder("whole", {"pred.pkl": 1, "label.pkl": 2})
    _save_recorder("empty", {})
    keyed = []
    RecorderCollector(
        EXPERIMENT,
        rec_key_func=lambda recorder: keyed.append(recorder.name),
        artifacts_path={"pred": "pred.pkl", "label": "label.pkl"},
    ).collect()
    assert keyed == ["whole"]


def test_parents_of_runs_and_collected_frames_are_no_trainings():
    _save_recorder("training", {"pred.pkl": 1})
    _save_recorder("collected", {"pred.pkl": 2}, wf_kind="collected")
    collected = RecorderCollector(EXPERIMENT, rec_key_func=lambda r: r.name, status=None).collect()
    assert collected == {"pred": {"training": 1}}


def test_an_experiment_or_a_function_that_lists_recorders_will_do(rolls):
    listed = list(rolls.values())
    wanted = RecorderCollector(EXPERIMENT).collect()["pred"]
    for experiment in (
        R.get_exp(experiment_name=EXPERIMENT),
        lambda: listed,
        lambda: {recorder.id: recorder for recorder in listed},
    ):
        collected = RecorderCollector(experiment).collect()["pred"]
        assert list(collected) == list(wanted)


def test_arguments_reach_the_listing(rolls):
    collected = RecorderCollector(EXPERIMENT, list_kwargs={"max_results": 2}).collect()
    assert list(collected["pred"]) == [recorder.id for recorder in list(rolls.values())[-2:]]


def test_the_name_of_the_experiment_is_told():
    _save_recorder("a", {})
    assert RecorderCollector(EXPERIMENT).get_exp_name() == EXPERIMENT


def test_a_misspelt_experiment_is_not_made():
    with pytest.raises(ExperimentNotFoundError, match="'colect'"):
        RecorderCollector("colect")
    assert "colect" not in R.list_experiments()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"experiment": 3}, "experiment=3: give the name"),
        ({"artifacts_key": "prd"}, "artifacts_key 'prd' is unknown: use pred or __raw"),
        ({"process_list": [RollingGroup(), "mean"]}, r"process_list\[1\] is 'mean'"),
        ({"process_list": 3}, "process_list is 3: give a callable"),
    ],
)
def test_arguments_are_checked_before_anything_is_read(arguments, message):
    with pytest.raises(CollectError, match=message):
        RecorderCollector(**{"experiment": list, **arguments})


def test_a_key_that_cannot_be_one_is_refused():
    recorder = _save_recorder("a", {"pred.pkl": 1})
    with pytest.raises(CollectError, match=rf"gave \['a'\] for recorder {recorder.id}"):
        RecorderCollector(EXPERIMENT, rec_key_func=lambda r: [r.name]).collect()


# collectors without recorders


class Given(Collector):
    def __init__(self, value, process_list=()):
        super().__init__(process_list)
        self.value = value

    def collect(self):
        return self.value


def test_processes_are_applied_in_their_order_to_each_artifact():
    steps = [lambda value: [*value, 1], lambda value: value * 2]
    assert Given({"a": [0], "b": []}, steps)() == {"a": [0, 1, 0, 1], "b": [1, 1]}
    assert Given({"a": [0]}, steps[::-1])() == {"a": [0, 0, 1]}
    assert Given({"a": {"k": 1}}, SingleKeyEnsemble())() == {"a": 1}
    assert Collector.process_collect({"a": 1}, lambda value, by, plus=0: value * by + plus, 3,
                                     plus=1) == {"a": 4}  # fmt: skip


def test_a_call_hands_its_arguments_to_the_processes():
    assert Given({"a": 2}, lambda value, by: value**by)(3) == {"a": 8}


def test_a_collector_says_that_it_collects_nothing():
    with pytest.raises(NotImplementedError, match="does not say what it collects"):
        Collector()()


def test_collectors_are_merged_after_their_own_processes(caplog):
    parts = {"A": Given({"x": 1, "y": 2}, lambda v: v * 10), "B": Given({("x", 1): 3})}
    assert MergeCollector(parts)() == {("A", "x"): 10, ("A", "y"): 20, ("B", ("x", 1)): 3}
    named = MergeCollector(parts, lambda v: -v, lambda name, artifact: f"{name}_{artifact}")
    assert named() == {"A_x": -10, "A_y": -20, "B_('x', 1)": -3}
    assert not caplog.messages
    assert MergeCollector(parts, merge_func=lambda name, _: name)() == {"A": 20, "B": 3}
    assert "key 'A' is there twice" in caplog.text
