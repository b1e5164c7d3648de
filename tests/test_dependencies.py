"""Every import of the package is a dependency that is declared, by itself or by an extra."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import pytest
import tomli

from wf_dagster.extras import EXTRAS, extra_of

ROOT = Path(__file__).parents[1]
PROJECT = tomli.loads((ROOT / "pyproject.toml").read_text())["project"]
DISTRIBUTIONS = packages_distributions()
OPTIONAL = PROJECT["optional-dependencies"]
# what brings an extra, or works on the project, but is none that a strategy uses
GROUPS = {"all", "demo", "test", "dev"}
# modules of packages that others of the same extra bring along, or that an old Python needs
BROUGHT = {
    "botocore": "boto3",
    "ruamel": "pyqlib",
    "fire": "pyqlib",
    "flask": "mlflow",
    "qlib": "pyqlib",
}


def name_of(requirement: str) -> str:
    return re.split(r"[\[<>=!~;\s]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def names_of(requirements: list[str]) -> set[str]:
    return {name_of(requirement) for requirement in requirements}


def distributions_of(module: str) -> set[str]:
    names = DISTRIBUTIONS.get(module, [])
    return {name.lower().replace("_", "-").replace(".", "-") for name in names}


def imported_modules() -> dict[str, set[str]]:
    """The top modules that the package imports anywhere, and the files that do."""
    modules: dict[str, set[str]] = {}
    for path in sorted((ROOT / "wf_dagster").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for name in names:
                top = name.partition(".")[0]
                if top != "wf_dagster" and top not in sys.stdlib_module_names:
                    modules.setdefault(top, set()).add(path.relative_to(ROOT).as_posix())
    return modules


MODULES = imported_modules()


@pytest.mark.parametrize("module", sorted(MODULES))
def test_what_is_imported_is_declared(module):
    extra = extra_of(module)
    declared = names_of(PROJECT["dependencies"] if extra is None else OPTIONAL[extra])
    brought_by = {BROUGHT[module]} if module in BROUGHT else distributions_of(module)
    assert brought_by & declared, f"{module} of {MODULES[module]}"


def test_every_dependency_is_used():
    used = set().union(*map(distributions_of, MODULES))
    # MLflow's tables are made with Alembic
    assert names_of(PROJECT["dependencies"]) - used == {"alembic"}


@pytest.mark.parametrize("extra", sorted(EXTRAS))
def test_the_modules_of_an_extra_are_those_that_it_installs(extra):
    declared = names_of(OPTIONAL[extra])
    for module in EXTRAS[extra]:
        brought_by = {BROUGHT[module]} if module in BROUGHT else distributions_of(module)
        assert brought_by & declared, module


def test_every_extra_is_known_and_all_brings_them():
    assert set(OPTIONAL) - GROUPS == set(EXTRAS)
    (everything,) = OPTIONAL["all"]
    assert set(everything.partition("[")[2].rstrip("]").split(",")) == set(EXTRAS)


def test_every_package_has_its_exact_version():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {name_of(line) for line in lines}
    wanted = names_of([*PROJECT["dependencies"], *chain.from_iterable(OPTIONAL.values())])
    assert wanted - {"wf-dagster"} <= pinned
    assert all(re.match(r"[a-z0-9-]+==[^\s;]+( ; .+)?$", line) for line in lines)


def test_the_page_of_installing_names_every_extra():
    page = (ROOT / "docs/install.md").read_text()
    assert set(re.findall(r"^\| `([a-z0-9]+)` \|", page, re.MULTILINE)) == {
        *EXTRAS,
        "all",
    }
