"""The wheel alone in an empty environment: it trains, and says what it lacks."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.data.made_prices import made_prices

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
CONSTRAINTS = ROOT / "constraints.txt"
ABSENT = {
    "boto3", "dagster-mlflow", "dagster-webserver", "duckdb", "empyrical-reloaded", "lightgbm",
    "matplotlib", "mlflow", "psycopg", "pymongo", "pyqlib", "s3fs", "skfolio",
}  # fmt: skip
# what each part of the package needs that is not there, and the extra that its message names
LACKS = {
    "from wf_dagster.tasks import validate_task\n"
    "from bare_location import template\n"
    "validate_task({**template, 'model': 'wf_dagster.models.LightGBMModel'}, resolve=True)": (
        "TaskError: model.class: LightGBMModel needs lightgbm",
        "lightgbm",
    ),
    "from wf_dagster.tasks import validate_task\n"
    "from bare_location import template\n"
    "record = [*template['record'], 'wf_dagster.records.PortAnaRecord']\n"
    "validate_task({**template, 'record': record}, resolve=True)": (
        "TaskError: record.2.class: PortAnaRecord needs empyrical",
        "portfolio",
    ),
    "from wf_dagster.tasks import validate_task\n"
    "from bare_location import template\n"
    "validate_task({**template, 'model': 'qlib.contrib.model.linear.LinearModel'}, resolve=True)": (
        "TaskError: model.class: 'qlib.contrib.model.linear' is Qlib's",
        "qlib",
    ),
    "from wf_dagster import TaskManager\nTaskManager('p', 'mongodb://127.0.0.1:9/t').query()": (
        "PoolStoreError: task store mongodb://127.0.0.1:9/t needs bson",
        "mongo",
    ),
    "from wf_dagster import TaskManager\nTaskManager('p', 'postgresql://127.0.0.1:9/t').query()": (
        "PoolStoreError: task store postgresql://127.0.0.1:9/t needs the driver psycopg",
        "postgres",
    ),
    "from wf_dagster.tracking import check_tracking\n"
    "check_tracking('postgresql://127.0.0.1:9/t')": (
        "TrackingError: the MLflow store postgresql://127.0.0.1:9/t needs the driver 'psycopg",
        "postgres",
    ),
    "from wf_dagster import Market\nMarket('sample').prices.load()": (
        "DataError: the sample prices come with the package skfolio",
        "sample",
    ),
    "from wf_dagster import Market\nMarket('s3://bucket/prices.parquet').prices.load()": (
        "DataError: prices='s3://bucket/prices.parquet' cannot be read: Install s3fs",
        "s3",
    ),
    "from wf_dagster import Market\nMarket('duckdb://#prices').prices.load()": (
        "DataError: prices='duckdb://#prices' cannot be opened",
        "duckdb",
    ),
}


@dataclass(frozen=True)
class Environment:
    """A folder with a code location, its prices, and an environment beside it."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / ".venv/bin/python"

    def run(self, *arguments: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment's ``bin`` folder in the folder."""
        program, *rest = arguments
        clean = {key: value for key, value in os.environ.items() if key[:3] not in ("WF_", "PYT")}
        home = str(self.folder / "home")
        return subprocess.run(
            [self.python.with_name(str(program)), *rest],
            cwd=self.folder,
            env={**clean, "WF_HOME": home, "COLUMNS": "500", "PYTHONWARNINGS": "ignore", **env},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=300,
        )

    def run_code(self, code: str) -> subprocess.CompletedProcess[str]:
        return self.run("python", "-c", code)


def uv(*arguments: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "uv", *arguments], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", folder, ROOT]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = Environment(tmp_path_factory.mktemp("bare"))
    uv("venv", "--python", sys.executable, environment.folder / ".venv")
    uv("pip", "install", "--python", environment.python, "-c", CONSTRAINTS, wheel)
    text = (ROOT / "tests/integration/bare_location.py").read_text()
    (environment.folder / "bare_location.py").write_text(text)
    made_prices(sessions=300).to_csv(environment.folder / "prices.csv", index=False)
    return environment


def test_what_is_installed_fits_together_and_holds_no_extra(bare):
    uv("pip", "check", "--python", bare.python)
    lines = uv("pip", "list", "--format", "freeze", "--python", bare.python).split()
    names = {line.partition("==")[0] for line in lines}
    assert names & ABSENT == set()
    assert {"dagster", "mlflow-skinny", "pandas", "scikit-learn", "wf-dagster"} <= names
    assert len(names) <= 100


def test_every_module_imports_or_lacks_an_extra(bare):
    done = bare.run_code(
        "import importlib, pkgutil\n"
        "import wf_dagster\n"
        "from wf_dagster.errors import MissingExtraError\n"
        "from wf_dagster.extras import extra_of\n"
        "for module in pkgutil.walk_packages(wf_dagster.__path__, 'wf_dagster.'):\n"
        "    if module.name == 'wf_dagster.__main__': continue\n"
        "    try: importlib.import_module(module.name)\n"
        "    except ModuleNotFoundError as error: print(module.name, extra_of(error.name))\n"
        "    except MissingExtraError as error: print('REFUSED', module.name, error)\n"
    )
    lacking = dict(line.split() for line in done.stdout.splitlines() if line.startswith("wf_"))
    assert done.returncode == 0, done.stdout
    assert lacking.pop("wf_dagster.pool.stores.mongo") == "mongo"
    assert set(lacking.values()) <= {"qlib"}, lacking
    assert all(name.startswith("wf_dagster.qlib_") for name in lacking)
    (refused,) = (line for line in done.stdout.splitlines() if line.startswith("REFUSED"))
    assert refused.startswith("REFUSED wf_dagster.workflows.ddgda DDGDA needs qlib")
    assert "wf-dagster[qlib]" in refused


def test_definitions_load_and_a_backfill_trains(bare):
    dagster_home = bare.folder / "dagster"
    dagster_home.mkdir()
    (dagster_home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    done = bare.run(
        "dagster",
        *("asset", "materialize", "-m", "bare_location"),
        *("--select", "momentum/recorders,momentum/predictions,momentum/labels"),
        *("--partition-range", "2021-01-01...2021-02-01"),
        DAGSTER_HOME=str(dagster_home),
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "momentum: 2 rolls (to train 2)" in done.stdout
    shown = bare.run_code(
        "import dagster as dg\n"
        "from wf_dagster.tracking import find_recorders\n"
        "for recorder in find_recorders('momentum'):\n"
        "    rows = recorder.load_object('pred.pkl')\n"
        "    days = rows.index.get_level_values('datetime')\n"
        "    print('ROLL', recorder.list_tags()['roll'], len(rows), days.min().date(),\n"
        "          days.max().date(), 'IC' in recorder.list_metrics())\n"
        f"with dg.DagsterInstance.from_config({str(dagster_home)!r}) as instance:\n"
        "    key = dg.AssetKey(['momentum', 'recorders'])\n"
        "    for record in instance.fetch_materializations(key, limit=9).records:\n"
        "        print('PLOT', record.asset_materialization.metadata['ic_plot'].value)\n"
    )
    lines = shown.stdout.splitlines()
    # 21 business days in January 2021, and 17 of February up to the end of the prices
    assert sorted(line for line in lines if line.startswith("ROLL")) == [
        "ROLL 2021-01-01 126 2021-01-01 2021-01-29 True",
        "ROLL 2021-02-01 102 2021-02-01 2021-02-23 True",
    ], shown.stdout
    assert [line for line in lines if line.startswith("PLOT")] == [
        'PLOT a plot needs matplotlib, which is not installed: pip install "wf-dagster[plots]"'
    ] * 2


@pytest.mark.parametrize("code", LACKS, ids=[f"{extra}" for _, extra in LACKS.values()])
def test_what_is_lacking_is_one_message_with_the_command(bare, code):
    message, extra = LACKS[code]
    last = bare.run_code(code).stdout.strip().splitlines()[-1]
    assert last.startswith(f"wf_dagster.errors.{message}"), last
    assert f'pip install "wf-dagster[{extra}]"' in last


def test_the_pages_are_refused_before_one_opens(bare):
    (bare.folder / "workspace.yaml").write_text("load_from: []\n")
    done = bare.run("wf-dagster", "ui")
    assert done.returncode == 2
    assert "wf-dagster ui needs dagster_webserver, which is not installed" in done.stdout
    assert 'pip install "wf-dagster[ui]"' in done.stdout


@pytest.mark.parametrize("extras", ["", "[all]"], ids=["bare", "all"])
@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13"])
def test_the_wheel_resolves_for_each_python(wheel, tmp_path, version, extras):
    wanted = tmp_path / "wanted.in"
    wanted.write_text(f"wf-dagster{extras} @ {wheel.as_uri()}\n")
    resolved = uv(
        *("pip", "compile", "--quiet", "--python-version", version, "--no-header"),
        *("--no-annotate", "-c", CONSTRAINTS, wanted),
    )
    names = {line.partition("==")[0] for line in resolved.splitlines()}
    assert ("dagster-webserver" in names) is bool(extras)
    assert ("pyqlib" in names) is (bool(extras) and version != "3.13")
