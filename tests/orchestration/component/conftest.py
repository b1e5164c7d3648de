from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster.components.core.component_tree import ComponentTree, ComponentTreeException

from wf_dagster import RollingStrategySpec

_BESIDE = ("template_vars_module", "post_processing")
TYPE = "wf_dagster.RollingStrategyComponent"


class Project:
    """A project of dg's in a folder of its own."""

    def __init__(self, root: Path, name: str) -> None:
        self.root = root
        self.package = root / "src" / name
        self.defs = self.package / "defs"
        self.defs.mkdir(parents=True)
        (root / "dg.toml").write_text(
            f'directory_type = "project"\n[project]\nroot_module = "{name}"\n'
        )

    def write(self, text: str, folder: str = "momentum") -> Path:
        file = self.defs / folder / "defs.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return file

    def write_strategies(
        self, *strategies: dict[str, Any], folder: str = "momentum", **further: Any
    ) -> Path:
        """A component; keyword arguments are further attributes, or keys beside them."""
        beside = {
            k: further.pop(k) for k in ("template_vars_module", "post_processing") if k in further
        }
        content = {"type": TYPE, "attributes": {"strategies": [*strategies], **further}, **beside}
        return self.write(yaml.safe_dump(content, sort_keys=False), folder)

    def load(self) -> dg.Definitions:
        return ComponentTree.for_project(self.root).build_defs()

    def complaint(self) -> str:
        """What is said when it is loaded."""
        with pytest.raises(ComponentTreeException) as raised:
            self.load()
        error: BaseException | None = raised.value
        while isinstance(error, ComponentTreeException):
            error = error.__cause__
        return str(error)

    def strategies(self, folder: str = "momentum") -> list[RollingStrategySpec]:
        """What its file says, before definitions are made of it."""
        tree = ComponentTree.for_project(self.root)
        load = getattr(tree, "load_component", None) or tree.load_component_at_path  # before 1.13
        return list(load(folder).strategies)

    def asset_names(self) -> set[str]:
        specs = self.load().resolve_all_asset_specs()
        return {spec.key.to_user_string() for spec in specs}


@pytest.fixture
def project(tmp_path, monkeypatch, request) -> Iterator[Project]:
    name = f"project_{abs(hash(request.node.nodeid))}"
    monkeypatch.setattr(sys, "path", [str(tmp_path / "src"), *sys.path])
    monkeypatch.chdir(tmp_path)
    yield Project(tmp_path, name)
    for module in [m for m in sys.modules if m.partition(".")[0] == name]:
        del sys.modules[module]
