"""The package as it is installed: cheap to import, typed, alone in its wheel."""

from __future__ import annotations

import ast
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
import tomli

import wf_dagster
from wf_dagster.extras import EXTRAS

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


def test_the_version_is_that_of_the_project():
    version = tomli.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert wf_dagster.__version__ == version


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An sdist, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "-o", folder, ROOT]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.mark.integration
def test_the_wheel_holds_the_package_alone(dist):
    (wheel,) = dist.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"wf_dagster"}
    listed = subprocess.run(
        ["git", "ls-files", "wf_dagster"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    files = {name for name in names if name.startswith("wf_dagster/")}
    assert set(listed.stdout.split()) <= files
    assert "wf_dagster/py.typed" in files


@pytest.mark.integration
def test_the_sdist_holds_what_is_built_and_read(dist):
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "docs/install.md"} <= names
    assert not {name for name in names if name.startswith(("tests", "assets", "benchmarks"))}


@pytest.mark.integration
def test_the_metadata_say_whose_licence_and_which_extras(dist):
    (wheel,) = dist.glob("*.whl")
    archive = zipfile.ZipFile(wheel)
    folder = f"wf_dagster-{wf_dagster.__version__}.dist-info"
    metadata = message_from_bytes(archive.read(f"{folder}/METADATA"))
    assert metadata["Version"] == wf_dagster.__version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert set(EXTRAS) < set(metadata.get_all("Provides-Extra", []))
    assert "Apache License" in archive.read(f"{folder}/licenses/LICENSE").decode()
    checked = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *dist.iterdir()],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
