"""A workflow file of Qlib's in a ``defs.yaml``: the same strategy as ``wf-dagster qlib-import``."""

from __future__ import annotations

import logging
import sys

import pytest

from tests.qlib.test_dagster import import_workflow
from wf_dagster import fingerprint, get_settings
from wf_dagster.errors import SettingsError
from wf_dagster.orchestration.location.code_location import list_strategies, load_definitions
from wf_dagster.qlib_bridge.workflow_task import read_workflow_task


@pytest.fixture
def written(project, workflow):
    return project.write_strategies(
        {
            "name": "imported",
            "from_workflow": "../../../../workflow.yaml",
            "generator": {"step": 150, "rtype": "sliding"},
        }
    )


def test_a_workflow_file_is_the_strategy_that_the_command_writes(
    project,
    written,
    workflow,
    tmp_path,
    monkeypatch,
    caplog,
):
    monkeypatch.setattr(sys, "path", list(sys.path))
    with caplog.at_level(logging.WARNING):
        (spec,) = list_strategies(project.load()).values()
    assert "qlib_init.exp_manager is ignored" in caplog.text
    assert (spec.name, spec.experiment) == ("imported", "from_yaml")
    assert spec.generator.trunc_days == 2  # Alpha158's label: Ref($close, -2)
    assert get_settings().qlib_region == "us"
    assert str(tmp_path / "own") in sys.path

    target = tmp_path / "written_module.py"
    assert (
        import_workflow(workflow, "--name", "imported", "--step", "150", "-o", target).exit_code
        == 0
    )
    names = [record["class"] for record in spec.analyses]
    assert names == ["SigAnaRecord", "PortAnaRecord"]  # of a roll there are signals alone
    assert [record["class"] for record in spec.template["record"]] == ["SignalRecord"]
    (same,) = list_strategies(load_definitions("written_module")).values()
    assert [fingerprint(roll.task) for roll in spec.partitions.rolls] == [
        fingerprint(roll.task) for roll in same.partitions.rolls
    ]
    assert spec.analyses == same.analyses


def test_what_is_wrong_with_the_file_is_said_with_the_line_that_names_it(
    project, written, workflow
):
    workflow.write_text("task: {}\n")
    complaint = project.complaint()
    assert "model is missing" in complaint
    assert f"{written}:5 - attributes.strategies.0.from_workflow" in complaint
    workflow.unlink()
    assert "cannot be read" in project.complaint()


def test_one_process_has_the_data_of_one_provider(workflow, monkeypatch, tmp_path):
    read_workflow_task(workflow).apply_settings()
    monkeypatch.setenv("PROVIDER", str(tmp_path))
    other = read_workflow_task(workflow)
    with pytest.raises(SettingsError, match=r"qlib_provider_uri=.*a code location of their own"):
        other.apply_settings()
    monkeypatch.setenv("WF_QLIB_PROVIDER_URI", get_settings().qlib_provider_uri)
    other.apply_settings()  # the variable is for all
