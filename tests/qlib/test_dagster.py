"""Qlib's tasks as Dagster assets, from Python and from a workflow file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from typer.testing import CliRunner

import wf_dagster
from tests.qlib.qlib_tasks import ridge, seeded_template
from tests.qlib.test_joined_analyses import initialise_qlib, qlibs_backtest
from tests.qlib.workflow_files import WORKFLOW
from wf_dagster import RollingGen
from wf_dagster.cli import app
from wf_dagster.orchestration import TrackingResource, build_rolling_assets
from wf_dagster.tracking import find_recorders

ROOT = Path(__file__).parents[2]


def import_workflow(*arguments: object):
    return CliRunner().invoke(app, ["qlib-import", *map(str, arguments)])


@pytest.mark.slow
def test_a_backfill_trains_qlibs_tasks_in_worker_processes(seeded):
    wf_dagster.init(qlib_provider_uri=str(seeded), qlib_region="us", max_workers=2)
    assets = build_rolling_assets("ridge", seeded_template(ridge()), RollingGen(step=70))
    keys = assets[0].partitions_def.get_partition_keys()
    assert keys[0] == "2019-11-01"
    assert len(keys) == 3
    result = dg.materialize(
        assets[:1],
        resources={"tracking": TrackingResource()},
        tags={
            "dagster/asset_partition_range_start": keys[0],
            "dagster/asset_partition_range_end": keys[-1],
        },
    )
    assert result.success
    recorders = find_recorders("ridge")
    assert {recorder.list_tags()["roll"] for recorder in recorders} == set(keys)
    again = dg.materialize(
        assets,
        selection=dg.AssetSelection.assets(["ridge", "predictions"], ["ridge", "collected"]),
        resources={"tracking": TrackingResource()},
        partition_key=keys[-1],
    )
    assert again.success
    assert len(find_recorders("ridge")) == 3


@pytest.mark.slow
def test_a_workflow_file_becomes_a_strategy_that_dagster_materializes(workflow, tmp_path, seeded):
    target = tmp_path / "from_yaml.py"
    outcome = import_workflow(workflow, "--name", "imported", "--step", "150", "-o", target)
    assert outcome.exit_code == 0, outcome.output
    assert "qlib_init.exp_manager is ignored" in outcome.output
    assert str(target) in outcome.output
    text = target.read_text()
    assert "'num_boost_round': 5" in text
    assert "'lambda_l1': 0.001" in text
    assert "trunc_days=2" in text
    assert "SigAnaRecord, PortAnaRecord: computed once, on the joined" in outcome.output
    assert f"sys.path += ['{tmp_path / 'own'}']" in text
    environment = {
        **os.environ,
        "WF_HOME": str(tmp_path / "home"),
        "DAGSTER_HOME": str(tmp_path),
        "PYTHONPATH": str(ROOT),
    }
    for arguments in (
        ["imported/recorders", "--partition-range", "2019-11-01...2020-05-29"],
        ["imported/collected,imported/analyses"],
    ):
        process = subprocess.run(
            [
                sys.executable, "-m", "dagster", "asset", "materialize", "-f", str(target),
                "--select", *arguments,
            ],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
        )  # fmt: skip
        assert process.returncode == 0, process.stderr[-3000:]
    rolls = {r.list_tags()["roll"]: r for r in find_recorders("from_yaml")}
    assert sorted(rolls) == ["2019-11-01", "2020-05-29"]
    first = rolls["2019-11-01"]
    assert "IC" not in first.list_metrics()  # of one roll nothing is analysed
    test = first.load_object("task")["dataset"]["kwargs"]["segments"]
    assert str(test["train"][1])[:10] == "2019-08-30"
    assert str(test["valid"][1])[:10] == "2019-10-30"  # cut: its labels would reach into the test
    assert not (tmp_path / "mlruns").exists()

    preds = [rolls[key].load_object("pred.pkl") for key in sorted(rolls)]
    joined = pd.concat(preds).sort_index()
    (analyses,) = find_recorders("from_yaml", tags={"wf_kind": "analyses"})
    pd.testing.assert_frame_equal(analyses.load_object("pred.pkl"), joined)
    initialise_qlib()
    report = qlibs_backtest(joined, "2019-11-01", "2020-07-31")  # the dates of the file
    kept = analyses.load_object("portfolio_analysis/report_normal_1day.pkl")
    pd.testing.assert_frame_equal(kept, report)
    metrics = analyses.list_metrics()
    label = pd.concat([rolls[key].load_object("label.pkl") for key in sorted(rolls)])
    rows = joined.join(label).dropna().groupby(level="datetime")
    ic = rows.apply(lambda day: day["score"].corr(day["LABEL0"]))
    assert metrics["IC"] == pytest.approx(ic.mean(), abs=1e-12)
    with_cost = (report["return"] - report["bench"] - report["cost"]).mean()
    assert metrics["1day.excess_return_with_cost.mean"] == pytest.approx(with_cost, abs=1e-12)


def test_the_module_takes_the_variables_of_jinja_and_the_arguments(workflow, tmp_path, monkeypatch):
    monkeypatch.setenv("ROUNDS", "9")
    target = tmp_path / "mine.py"
    outcome = import_workflow(
        workflow, "--name", "mine", "--step", "month", "--rtype", "expanding",
        "--trunc-days", "4", "-o", target,
    )  # fmt: skip
    assert outcome.exit_code == 0, outcome.output
    text = target.read_text()
    assert "'num_boost_round': 9" in text
    assert "RollingGen(step='month', rtype='expanding', trunc_days=4)" in text
    assert "qlib_options={'maxtasksperchild': 3}" in text


@pytest.mark.parametrize(
    ("change", "arguments", "named"),
    [
        (lambda text: text, ["--step", "0"], "step"),
        (lambda text: text, ["--rtype", "growing"], "rtype 'growing'"),
        (lambda text: text, ["--name", "no way"], "name 'no way'"),
        (lambda text: text.replace("base.yaml", "nothing.yaml"), [], "BASE_CONFIG_PATH"),
        (lambda text: text + "{{ NOWHERE_TO_FIND }}", [], "NOWHERE_TO_FIND"),
        (lambda text: text + "\n  - : [", [], "no YAML"),
        (lambda text: "just text", [], "sections"),
        (lambda text: "qlib_init: {region: us}", [], "no 'task'"),
        (lambda text: text + "    dataset: {no_class: 1}", [], "dataset"),
    ],
)
def test_a_workflow_file_that_cannot_be_used_is_one_line(
    change, arguments, named, workflow, tmp_path
):
    workflow.write_text(change(WORKFLOW))
    target = tmp_path / "out.py"
    outcome = import_workflow(workflow, "--name", "bad", *arguments, "-o", target)
    assert outcome.exit_code == 2
    assert named in outcome.output
    assert len(outcome.output.strip().splitlines()) == 1
    assert not target.exists()


def test_a_module_that_is_there_is_not_overwritten(workflow, tmp_path):
    target = tmp_path / "there.py"
    target.write_text("mine")
    outcome = import_workflow(workflow, "--name", "there", "-o", target)
    assert outcome.exit_code == 2
    assert "is there already" in outcome.output
    assert target.read_text() == "mine"
