"""What ``dg scaffold defs`` writes runs as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from dagster.components.component_scaffolding import scaffold_object

from tests.data.made_prices import made_prices
from tests.orchestration.component.conftest import TYPE
from tests.orchestration.component.strategies import PARTS
from wf_dagster import Market
from wf_dagster.errors import SettingsError, TaskError
from wf_dagster.orchestration.location.code_location import list_strategies


def scaffold(project, name="momentum", kind="yaml", append=False, **params) -> Path:
    folder = project.defs / name
    target = folder / "defs.yaml" if append else folder
    scaffold_object(target, TYPE, json.dumps(params), kind, project.root, append)
    return folder / ("component.py" if kind == "python" else "defs.yaml")


def attributes(file: Path):
    (strategy,) = yaml.safe_load(file.read_text())["attributes"]["strategies"]
    return strategy


@pytest.mark.parametrize("kind", ["yaml", "python"])
def test_a_strategy_on_the_sample_prices(project, kind):
    file = scaffold(project, kind=kind)
    definitions = project.load()
    (spec,) = list_strategies(definitions).values()
    assert spec.market == Market("sample")
    # from the test start on, as far as the sample goes: 5 years of months
    assert spec.partitions.rolls.keys[0] == "2018-01-01"
    assert len(spec.partitions.rolls.keys) == 60
    assert spec.generator.trunc_days == 7  # labels look 6 sessions ahead: 1 to trade, 5 to hold
    assert project.asset_names() == {f"momentum/{part}" for part in (*PARTS, "signals")}
    assert "None" not in file.read_text() or kind == "python"


def test_own_prices_give_the_dates(project, tmp_path):
    prices = tmp_path / "data" / "prices.csv"
    prices.parent.mkdir()
    made_prices(sessions=500).to_csv(prices, index=False)
    file = scaffold(project, "own-prices", prices=str(prices), step="20", rtype="sliding")
    written = attributes(file)
    assert (written["name"], written["market"]) == ("own_prices", {"prices": "data/prices.csv"})
    assert written["generator"] == {"step": 20, "rtype": "sliding", "trunc_days": 7}
    # business days from 2020-01-01 on; the test begins after 300 of the 500
    assert written["template"]["dataset"]["kwargs"]["segments"] == {
        "train": ["2020-01-01", "2021-02-23"],
        "test": ["2021-02-24", None],
    }
    (spec,) = list_strategies(project.load()).values()
    assert len(spec.partitions.rolls.keys) == 10  # 200 sessions, 20 a roll


def test_prices_that_are_made_later_leave_dates_to_be_changed(project, capsys):
    file = scaffold(project, prices="data/later.csv", calendar="XNYS", test_start="2021-01-04")
    written = attributes(file)
    assert written["market"] == {"prices": "data/later.csv", "calendar": "XNYS"}
    assert written["template"]["dataset"]["kwargs"]["segments"]["test"] == ["2021-01-04", None]
    assert "cannot be read yet" in capsys.readouterr().out


def test_a_workflow_file_of_qlibs_is_referred_to(project):
    workflow = project.root / "workflow.yaml"
    workflow.write_text("task: {}\n")
    written = attributes(scaffold(project, from_workflow=str(workflow), step="20"))
    assert "template" not in written
    file = project.defs / "momentum" / written["from_workflow"]
    assert file.resolve() == workflow


def test_a_further_document(project):
    scaffold(project)
    scaffold(project, append=True, step="20")
    assert set(list_strategies(project.load())) == {"momentum", "momentum_2"}


def test_what_has_no_meaning_is_refused_before_anything_is_written(project):
    with pytest.raises(TaskError, match=r"rtype 'rolling' is unknown"):
        scaffold(project, rtype="rolling")
    with pytest.raises(SettingsError, match=r"strategy name '2nd try'"):
        scaffold(project, "2nd try")
    assert not list(project.defs.rglob("*.yaml"))
