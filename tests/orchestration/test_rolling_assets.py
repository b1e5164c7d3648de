"""Materializing partitions: one event each, faults isolated, retries train what is missing."""

import signal
import sys
from collections import Counter
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from tests.support import task_of
from wf_dagster.errors import TaskError
from wf_dagster.orchestration import TrackingResource, build_rolling_assets, build_signals_asset
from wf_dagster.rolling import RollingGen
from wf_dagster.tracking import R, find_recorders, parent_of

KEYS = ["2019-01-01", "2019-02-01", "2019-03-01", "2019-04-01"]
RANGE = {
    "dagster/asset_partition_range_start": KEYS[0],
    "dagster/asset_partition_range_end": KEYS[-1],
}
PARTS = ["recorders", "predictions", "labels"]


def _assets(name="demo", **kwargs):
    template = task_of(KEYS[0])
    template["dataset"]["kwargs"]["segments"]["test"] = (KEYS[0], "2019-04-30")
    template["model"] = kwargs.pop("model", template["model"])
    generator = RollingGen("month", rtype=RollingGen.ROLL_SD)
    return build_rolling_assets(name, template, generator, **kwargs)


def _defs(assets=None, **kwargs):
    return dg.Definitions(
        assets=[*(assets or _assets(**kwargs)), build_signals_asset(["demo"])],
        resources={"tracking": TrackingResource()},
        executor=dg.in_process_executor,
    )


def _run(instance, parts, defs=None, tags=None, partition_key=None, **kwargs):
    job = (defs or _defs()).resolve_implicit_global_asset_job_def()
    return job.execute_in_process(
        asset_selection=[dg.AssetKey(p.split("/")) for p in parts],
        instance=instance,
        raise_on_error=False,
        tags=tags,
        partition_key=partition_key,
        **kwargs,
    )


def _events(instance, part, name="demo"):
    records = instance.fetch_materializations(dg.AssetKey([name, part]), limit=1000).records
    return [record.asset_materialization for record in records]


def _value(event, name):
    return event.metadata[name].value


def test_a_range_is_one_run_with_one_event_a_partition_and_asset_and_one_parent(instance):
    result = _run(instance, [f"demo/{p}" for p in PARTS], tags=RANGE)
    assert result.success
    for part in PARTS:
        counted = Counter(event.partition for event in _events(instance, part))
        assert counted == dict.fromkeys(KEYS, 1)
    recorders = {r.id: r for r in find_recorders("demo")}
    assert len(recorders) == len(KEYS)
    for event in _events(instance, "predictions"):
        recorder = recorders[_value(event, "recorder_id")]
        assert recorder.list_tags()["roll"] == event.partition
        assert recorder.id in _value(event, "mlflow_run")
        assert _value(event, "predictions") == len(recorder.load_object("pred.pkl"))
        assert _value(event, "ic") == pytest.approx(recorder.list_metrics()["IC"])
        assert _value(event, "ic_plot").startswith("![")
        assert _value(event, "fingerprint") == recorder.list_tags()["fingerprint"]
        assert event.partition[:7] in _value(event, "segments")
    parent = parent_of(result.run_id, "demo")
    assert parent is not None
    assert {r.list_tags()["mlflow.parentRunId"] for r in recorders.values()} == {parent}
    assert _status(parent) == "FINISHED"


def test_recorders_of_workers_that_were_killed_end_with_the_run(instance):
    model = {"class": "Misbehaving", "module_path": "tests.support", "kwargs": {"how": "kill"}}
    result = _run(instance, ["demo/recorders"], _defs(model=model, max_workers=2), tags=RANGE)
    assert not result.success
    left = find_recorders("demo", status=None)
    assert len(left) >= len(KEYS)  # some were begun twice
    assert {r.status for r in left} == {"FAILED"}
    reasons = [r.list_tags()["wf_failure"] for r in left]
    assert any("died without ending its run" in reason for reason in reasons)
    # a worker that trains when another one has died is ended by a signal
    ends = ("died without ending its run", f"SystemExit: {128 + signal.SIGTERM}")
    assert all(any(end in reason for end in ends) for reason in reasons)


def test_a_single_partition(instance):
    result = _run(instance, [f"demo/{p}" for p in PARTS], partition_key=KEYS[1])
    assert result.success
    for part in PARTS:
        assert [e.partition for e in _events(instance, part)] == [KEYS[1]]


def test_pressing_materialize_again_trains_anew(instance):
    for _ in range(2):
        assert _run(instance, ["demo/recorders"], partition_key=KEYS[0]).success
    assert len(find_recorders("demo")) == 2


def test_finished_recorders_are_taken_when_the_launch_asks_for_it(instance):
    _run(instance, ["demo/recorders"], partition_key=KEYS[0])
    result = _run(
        instance,
        ["demo/recorders"],
        tags=RANGE,
        run_config={"ops": {"demo_rolls": {"config": {"reuse_finished": True}}}},
    )
    assert result.success
    assert len(find_recorders("demo")) == len(KEYS)


def test_predictions_alone_use_the_model_trained_before(instance):
    _run(instance, ["demo/recorders"], partition_key=KEYS[0])
    (before,) = find_recorders("demo")
    frame = before.load_object("pred.pkl")
    assert _run(instance, ["demo/predictions"], partition_key=KEYS[0]).success
    (after,) = find_recorders("demo")
    assert after.id == before.id
    pd.testing.assert_frame_equal(after.load_object("pred.pkl"), frame)
    assert _events(instance, "predictions")[0].partition == KEYS[0]
    assert len(_events(instance, "recorders")) == 1


def test_predictions_alone_load_a_model_of_the_users_own(instance, tmp_path):
    model = {
        "class": "FailsInMarch",
        "module_path": "tests.orchestration.models",
        "kwargs": {"switch": str(tmp_path / "never")},
    }
    defs = _defs(model=model)
    for part in ("recorders", "predictions"):
        assert _run(instance, [f"demo/{part}"], defs=defs, partition_key=KEYS[0]).success
    assert len(find_recorders("demo")) == 1


def test_predictions_alone_train_a_roll_that_was_never_trained_and_say_so(instance):
    assert _run(instance, ["demo/predictions"], tags=RANGE).success
    assert len(find_recorders("demo")) == len(KEYS)
    for part in ("recorders", "predictions"):
        counted = Counter(event.partition for event in _events(instance, part))
        assert counted == dict.fromkeys(KEYS, 1)


class _Switch:
    """A model definition that fails for one roll while a file is there."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "fail"
        self.model = {
            "class": "FailsInMarch",
            "module_path": "tests.orchestration.models",
            "kwargs": {"switch": str(self.file)},
        }


@pytest.fixture
def switch(tmp_path) -> _Switch:
    switch = _Switch(tmp_path)
    switch.file.write_text("")
    return switch


def test_a_failing_roll_stops_no_other_and_is_named(instance, switch):
    result = _run(
        instance, [f"demo/{p}" for p in PARTS], defs=_defs(model=switch.model), tags=RANGE
    )
    assert not result.success
    (failure,) = result.filter_events(lambda event: event.is_step_failure)
    error = failure.event_specific_data
    assert "2019-03-01: ValueError: March fails" in error.error.message
    assert error.user_failure_data.metadata["failed_rolls"].value == ["2019-03-01"]
    for part in PARTS:
        counted = Counter(event.partition for event in _events(instance, part))
        assert counted == {key: 1 for key in KEYS if key != "2019-03-01"}
    assert _status(parent_of(result.run_id, "demo")) == "FAILED"


def test_a_retry_trains_only_what_is_missing(instance, switch):
    defs = _defs(model=switch.model)
    first = _run(instance, ["demo/recorders"], defs=defs, tags=RANGE)
    done = {r.id for r in find_recorders("demo")}
    assert len(done) == 3
    switch.file.unlink()
    lineage = {"dagster/root_run_id": first.run_id, "dagster/parent_run_id": first.run_id}
    job = defs.resolve_implicit_global_asset_job_def()
    run = instance.create_run_for_job(
        job.get_subset(asset_selection={dg.AssetKey(["demo", "recorders"])}),
        tags={**RANGE, **lineage},
        parent_run_id=first.run_id,
        root_run_id=first.run_id,
        asset_selection=frozenset({dg.AssetKey(["demo", "recorders"])}),
    )
    from dagster._core.execution.api import execute_run

    subset = job.get_subset(asset_selection={dg.AssetKey(["demo", "recorders"])})
    from dagster._core.definitions.job_base import InMemoryJob

    assert execute_run(InMemoryJob(subset), run, instance).success
    now = {r.id: r.list_tags()["roll"] for r in find_recorders("demo")}
    assert set(now) > done
    assert [roll for id_, roll in now.items() if id_ not in done] == ["2019-03-01"]


@pytest.mark.parametrize(
    ("model", "named"),
    [
        ({"class": "Rigde", "module_path": "wf_dagster.models"}, r"model\.class.*'Rigde'"),
        ({"class": "Ridge", "module_path": "no.such.module"}, r"model\.class.*'no\.such\.module'"),
    ],
)
def test_a_class_that_does_not_exist_is_one_message_when_definitions_load(model, named):
    with pytest.raises(TaskError, match=f"strategy 'demo': {named}") as caught:
        _defs(model=model)
    assert caught.value.__cause__ is None


def test_a_class_that_is_gone_is_one_message_before_any_work(instance, tmp_path, monkeypatch):
    module = tmp_path / "own_model.py"
    module.write_text("from wf_dagster.models import SklearnModel as OwnModel\n")
    monkeypatch.syspath_prepend(tmp_path)
    defs = _defs(model="own_model.OwnModel")
    module.write_text("")
    del sys.modules["own_model"].OwnModel
    result = _run(instance, ["demo/recorders"], defs=defs, tags=RANGE)
    (failure,) = result.filter_events(lambda event: event.is_step_failure)
    error = failure.event_specific_data.error
    assert "model: module 'own_model' has no 'OwnModel'" in error.message
    assert error.cause is None
    assert find_recorders("demo", status=None) == []


def test_a_universe_without_prices_is_one_message_before_any_recorder(instance):
    template = task_of(KEYS[0])
    template["dataset"]["kwargs"]["segments"]["test"] = (KEYS[0], "2019-04-30")
    template["dataset"]["kwargs"]["instruments"] = ["AAPL", "MSTF"]
    assets = build_rolling_assets("demo", template, RollingGen("month", trunc_days=6))
    result = _run(instance, ["demo/recorders"], defs=_defs(assets), tags=RANGE)
    (failure,) = result.filter_events(lambda event: event.is_step_failure)
    assert "1 of 2 instruments are not in" in failure.event_specific_data.error.message
    assert "'MSTF' (nearest: MSFT" in failure.event_specific_data.error.message
    assert find_recorders("demo", status=None) == []


def test_a_template_that_cannot_roll_is_refused_when_the_assets_are_built():
    template = task_of(KEYS[0])
    template["dataset"]["kwargs"]["segments"]["train"] = ("2019-01-15", "2018-01-15")
    with pytest.raises(TaskError, match=r"segments\.train starts 2019-01-15, after its end"):
        build_rolling_assets("demo", template, RollingGen("month"))


def test_collected_reports_gaps_and_signals_follow(instance):
    _run(instance, ["demo/recorders"], partition_key=KEYS[0])
    _run(instance, ["demo/recorders"], partition_key=KEYS[3])
    assert _run(instance, ["demo/collected", "signals"]).success
    (event,) = _events(instance, "collected")
    assert _value(event, "gaps") == KEYS[1:3]
    assert 0.4 < _value(event, "coverage") < 0.6
    (collected,) = find_recorders("demo", tags={"wf_kind": "collected"})
    pred = collected.load_object("pred.pkl")
    assert not pred.index.duplicated().any()
    (signals,) = find_recorders("signals", tags={"wf_kind": "signals"})
    assert len(signals.load_object("signals.pkl")) == len(pred)


def test_collecting_nothing_says_what_to_do(instance):
    result = _run(instance, ["demo/collected"])
    (failure,) = result.filter_events(lambda event: event.is_step_failure)
    message = str(failure.event_specific_data.error)
    assert "materialize its `recorders` first" in message


def test_materializing_everything_twice_keeps_one_collection(instance):
    for _ in range(2):
        _run(instance, ["demo/recorders"], partition_key=KEYS[0])
        _run(instance, ["demo/collected"])
    assert len(find_recorders("demo", tags={"wf_kind": "collected"}, status=None)) == 1


def test_a_dagster_mlflow_op_in_the_same_run_logs_to_the_same_parent(instance):
    from dagster_mlflow import mlflow_tracking

    from wf_dagster.settings import get_settings

    uri = get_settings().resolved_tracking_uri()
    R.get_exp(experiment_name="demo")

    @dg.asset(deps=[dg.AssetKey(["demo", "recorders"])], required_resource_keys={"mlflow"})
    def own(context: dg.AssetExecutionContext) -> None:
        context.resources.mlflow.log_metric("own_metric", 1.0)

    defs = dg.Definitions(
        assets=[*_assets(), own],
        resources={
            "tracking": TrackingResource(),
            "mlflow": mlflow_tracking.configured(
                {"experiment_name": "demo", "mlflow_tracking_uri": uri}
            ),
        },
    )
    result = _run(instance, ["demo/recorders", "own"], defs=defs, partition_key=KEYS[0])
    assert result.success
    parent = parent_of(result.run_id, "demo")
    run = R.get_recorder(recorder_id=parent, experiment_name="demo")
    assert run.list_metrics()["own_metric"] == 1.0


def _status(run_id):
    return R.get_recorder(recorder_id=run_id, experiment_name="demo").info["status"]


@pytest.mark.parametrize(
    ("test", "reason"),
    [
        (("2019-01-05", "2019-01-06"), "holds no session"),
        (("2031-01-02", None), r"\(2031-01-02 to open\) is outside the calendar"),
    ],
)
def test_a_template_whose_test_segment_has_no_session_is_refused(test, reason):
    template = task_of(KEYS[0])
    template["dataset"]["kwargs"]["segments"]["test"] = test
    with pytest.raises(TaskError, match=rf"dataset\.kwargs\.segments\.test .*{reason}"):
        build_rolling_assets("demo", template, RollingGen("month"))
