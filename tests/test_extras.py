"""Packages that are not installed: one message with the command, before any work."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer.testing

from tests.support import roll, task_of
from wf_dagster import LightGBMModel, R, TaskManager, task_train, train_rolls
from wf_dagster.cli import app
from wf_dagster.errors import (
    BrokenObjectError,
    MissingExtraError,
    PoolStoreError,
    TaskError,
    TrackingError,
)
from wf_dagster.extras import extra_of, has_extra, optional_import
from wf_dagster.records import cumulative_plot_png, risk_analysis
from wf_dagster.tasks import validate_task
from wf_dagster.tracking import check_tracking, object_files

Without = Callable[[str], None]
LIGHTGBM = {"class": "LightGBMModel", "module_path": "wf_dagster.models"}
PORTFOLIO = {"class": "PortAnaRecord", "module_path": "wf_dagster.records", "kwargs": {"topk": 3}}


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Without:
    """Makes this process one in which a module is not installed."""

    def forget(top: str) -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] == top]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, top, None)

    return forget


def with_model(model: Any) -> dict[str, Any]:
    return {**task_of("2020-03-01"), "model": model}


@pytest.mark.parametrize(
    "model",
    [LIGHTGBM, "wf_dagster.models.LightGBMModel", LightGBMModel, LightGBMModel()],
    ids=["by name", "by path", "the class", "an object"],
)
def test_a_model_that_is_not_installed_is_refused_before_anything_is_recorded(without, model):
    without("lightgbm")
    message = (
        r"^model(\.class)?: LightGBMModel needs lightgbm, which is not installed: "
        r'pip install "wf-dagster\[lightgbm\]"$'
    )
    task = with_model({"class": model} if isinstance(model, type) else model)
    with pytest.raises(TaskError, match=message):
        validate_task(task, resolve=True)
    with pytest.raises(TaskError, match=message):
        task_train(task, "none")
    assert "none" not in R.list_experiments()


def test_a_model_of_ones_own_asks_for_the_extra_of_its_base(without):
    without("lightgbm")
    own = type("Own", (LightGBMModel,), {})
    with pytest.raises(TaskError, match=r"Own needs lightgbm"):
        validate_task(with_model({"class": own}), resolve=True)


def test_an_estimator_that_is_not_installed_says_which_extra(without):
    without("lightgbm")
    kwargs = {"estimator": "lightgbm.LGBMRegressor"}
    model = {"class": "SklearnModel", "module_path": "wf_dagster.models", "kwargs": kwargs}
    with pytest.raises(TaskError, match=r'needs lightgbm.*pip install "wf-dagster\[lightgbm\]"'):
        task_train(with_model(model), "none")


def test_a_module_that_imports_what_is_not_installed_says_which_extra(
    without, tmp_path, monkeypatch
):
    (tmp_path / "own_boosting.py").write_text("import lightgbm\n")
    monkeypatch.syspath_prepend(tmp_path)
    without("lightgbm")
    with pytest.raises(TaskError, match=r"'own_boosting' needs lightgbm.*\[lightgbm\]"):
        validate_task(with_model("own_boosting.Model"), resolve=True)


@pytest.mark.parametrize("module", ["empyrical", "matplotlib"])
def test_a_portfolio_record_is_refused_before_anything_is_recorded(without, module):
    without(module)
    task = task_of("2020-03-01")
    task["record"].append(PORTFOLIO)
    message = rf'record.2.class: PortAnaRecord needs {module}.*"wf-dagster\[portfolio\]"'
    with pytest.raises(TaskError, match=message):
        task_train(task, "none")
    assert "none" not in R.list_experiments()


def test_the_figures_of_a_portfolio_say_which_extra(without):
    without("empyrical")
    with pytest.raises(MissingExtraError, match=r'empyrical.*"wf-dagster\[portfolio\]"'):
        risk_analysis(pd.Series([0.01, -0.02]))


def test_a_plot_says_which_extra(without):
    without("matplotlib")
    report = pd.DataFrame({"return": [0.01], "cost": [0.0], "bench": [0.0]})
    with pytest.raises(MissingExtraError, match=r'a plot needs matplotlib.*"wf-dagster\[plots\]"'):
        cumulative_plot_png(report)


def test_a_roll_is_trained_without_a_plot_and_says_so_in_its_place(without, monkeypatch):
    (drawn,) = train_rolls([roll("2020-03-01")], "drawn", max_workers=1)
    assert drawn.plot.startswith("![IC of roll 2020-03-01](data:image/png;base64,")
    monkeypatch.setattr("wf_dagster.records.plots._figures", type("Figures", (), {})())
    without("matplotlib")
    (bare,) = train_rolls([roll("2020-03-01")], "bare", max_workers=1)
    assert bare.ok
    assert bare.plot == (
        'a plot needs matplotlib, which is not installed: pip install "wf-dagster[plots]"'
    )
    assert bare.metrics["IC"] == drawn.metrics["IC"]


def test_a_model_that_was_recorded_with_an_extra_says_which(without):
    content = pickle.dumps(pytest.importorskip("lightgbm").LGBMRegressor())
    without("lightgbm")
    with pytest.raises(BrokenObjectError, match=r'params.pkl.*pip install "wf-dagster\[lightgbm'):
        object_files.load("params.pkl", content)


def test_a_task_pool_in_mongodb_says_which_extra(without, monkeypatch):
    monkeypatch.delitem(sys.modules, "wf_dagster.pool.stores.mongo", raising=False)
    without("bson")
    without("pymongo")
    message = r'mongodb://u:\*\*\*@h/n needs \w+, .*pip install "wf-dagster\[mongo\]"'
    with pytest.raises(PoolStoreError, match=message):
        TaskManager("pool", "mongodb://u:secret@h/n").query()


def test_stores_in_postgresql_say_which_extra(without):
    without("psycopg")
    url = "postgresql+psycopg://wf@127.0.0.1:9/db"
    with pytest.raises(PoolStoreError, match=r'needs the driver psycopg,.*"wf-dagster\[postgres'):
        TaskManager("pool", url).query()
    with pytest.raises(TrackingError, match=r"driver 'psycopg'.*\"wf-dagster\[postgres\]\""):
        check_tracking(url)


@pytest.mark.parametrize("module", ["dagster_webserver", "flask"])
def test_the_pages_say_which_extra_before_one_opens(without, module, tmp_path):
    without(module)
    workspace = tmp_path / "workspace.yaml"
    workspace.write_text("load_from: []\n")
    done = typer.testing.CliRunner().invoke(app, ["ui", "--workspace", str(workspace)])
    assert done.exit_code == 2
    text = " ".join(done.output.split())
    assert f"wf-dagster ui needs {module}, which is not installed" in text
    assert 'pip install "wf-dagster[ui]"' in text


def test_a_broken_package_is_not_called_missing(tmp_path: Path, monkeypatch):
    (tmp_path / "lightgbm.py").write_text("import a_library_that_is_not_there\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "lightgbm", raising=False)
    with (
        pytest.raises(ModuleNotFoundError, match=r"a_library_that_is_not_there"),
        optional_import("lightgbm", "LightGBMModel"),
    ):
        import lightgbm  # noqa: F401


def test_what_is_installed_is_known_without_an_import(without):
    assert has_extra("lightgbm")
    assert extra_of("lightgbm.basic") == "lightgbm"
    assert extra_of("numpy") is None
    without("lightgbm")
    assert not has_extra("lightgbm")
    assert "lightgbm" not in {name for name, module in sys.modules.items() if module is not None}


def test_models_that_need_no_extra_have_none():
    task = with_model(np.ones)  # no class of ours, and no attribute that asks for one
    validate_task(task, resolve=True)
