"""The package as it is installed: cheap to import, typed, alone in its wheel."""

from __future__ import annotations

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import wf_dagster

ROOT = Path(__file__).parents[1]
HEAVY = ("mlflow", "dagster", "pandas", "numpy", "lightgbm", "sklearn", "pymongo", "sqlalchemy")


def test_import_loads_no_heavy_library():
    code = f"import sys, wf_dagster; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_of_the_command_line_loads_no_heavy_library():
    code = (
        "import sys\nfrom wf_dagster.cli import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        f"print([m for m in {HEAVY} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


@pytest.mark.parametrize("name", wf_dagster.__all__)
def test_every_public_name_loads(name):
    assert getattr(wf_dagster, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = wf_dagster.nothing


def test_type_checkers_see_the_names_that_load_lazily():
    tree = ast.parse((ROOT / "wf_dagster/__init__.py").read_text())
    seen = {
        alias.asname
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    assert seen == set(wf_dagster.__all__)


@pytest.mark.integration
def test_the_wheel_holds_the_package_alone(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", tmp_path, ROOT],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"wf_dagster"}
    assert "wf_dagster/py.typed" in names
