"""Code locations as `dagster dev` and `dg dev` open them: workspaces, projects, lazy functions."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

from wf_dagster.errors import SettingsError
from wf_dagster.orchestration.location.code_location import load_definitions
from wf_dagster.orchestration.location.code_target import find_target

BODY = "import dagster as dg\ndefs = dg.Definitions(metadata={{'from': {!r}}})\n"
LAZY = """
from pathlib import Path
from dagster import definitions, load_from_defs_folder

@definitions
def defs():
    return load_from_defs_folder(path_within_project=Path(__file__).parent)
"""
ASSET = "import dagster as dg\n\n@dg.asset\ndef {}(): ...\n"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def write(file: Path, text: str = "") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def write_project(folder: Path, root: str, config: str = "") -> Path:
    """A project as `create-dagster project` writes it."""
    write(
        folder / "pyproject.toml",
        '[tool.dg]\ndirectory_type = "project"\n'
        f'[tool.dg.project]\nroot_module = "{root}"\n{config}',
    )
    package = folder / "src" / root
    write(package / "__init__.py")
    write(package / "definitions.py", LAZY)
    write(package / "defs" / "__init__.py")
    write(package / "defs" / "assets.py", ASSET.format("mine"))
    return package


def install(folder: Path) -> None:
    sys.path.insert(0, str(folder / "src"))


def asset_names(module: str | None = None) -> set[str]:
    specs = load_definitions(module).resolve_all_asset_specs()
    return {spec.key.to_user_string() for spec in specs}


def loaded_from(module: str | None = None) -> str:
    return str(load_definitions(module).metadata["from"].value)


def test_a_folder_that_names_nothing(folder):
    with pytest.raises(SettingsError, match=r"neither workspace.yaml nor pyproject.toml.*-m"):
        load_definitions()


def test_the_workspace_goes_before_the_table_of_dagster_and_that_before_dg(folder):
    for name in ("of_workspace", "of_dagster", "of_dg", "named"):
        write(folder / f"{name}.py", BODY.format(name))
    project = folder / "pyproject.toml"
    project.write_text('[tool.dg.project]\ncode_location_target_module = "of_dg"\n')
    assert loaded_from() == "of_dg"
    project.write_text(project.read_text() + '[tool.dagster]\nmodule_name = "of_dagster"\n')
    assert loaded_from() == "of_dagster"
    write(folder / "workspace.yaml", "load_from:\n  - python_module: of_workspace\n")
    assert loaded_from() == "of_workspace"
    assert loaded_from("named") == "named"


def test_a_workspace_may_name_a_file_or_an_attribute(folder):
    write(folder / "defs_file.py", BODY.format("file"))
    write(folder / "workspace.yaml", "load_from:\n  - python_file: defs_file.py\n")
    assert loaded_from() == "file"
    write(
        folder / "several.py", BODY.format("a") + "other = dg.Definitions(metadata={'from': 'b'})"
    )
    entry = {"python_module": {"module_name": "several", "attribute": "other"}}
    write(folder / "workspace.yaml", yaml.safe_dump({"load_from": [entry]}))
    assert loaded_from() == "b"


def test_a_workspace_of_servers_cannot_be_loaded(folder):
    write(folder / "workspace.yaml", "load_from:\n  - grpc_server: {host: localhost, port: 4000}\n")
    with pytest.raises(SettingsError, match=r"names no code location that can be loaded here.*-m"):
        load_definitions()
    write(folder / "workspace.yaml", "load_from: [nonsense\n")
    with pytest.raises(SettingsError, match=r"is no workspace of Dagster's"):
        load_definitions()


def test_the_modules_of_the_dagster_table(folder):
    write(folder / "listed.py", BODY.format("listed"))
    write(
        folder / "pyproject.toml",
        '[tool.dagster]\nmodules = [{ type = "module", name = "listed" }]\n',
    )
    assert loaded_from() == "listed"


def test_a_project_of_create_dagster(folder, monkeypatch):
    package = write_project(folder, "lazy_project")
    with pytest.raises(SettingsError, match=r"no module 'lazy_project.definitions'.*uv sync"):
        load_definitions()
    install(folder)
    assert asset_names() == {"mine"}
    monkeypatch.chdir(package / "defs")  # `dg` works in the folders of a project too
    assert asset_names() == {"mine"}
    target = find_target()
    assert (target.folder, target.origin.location_name) == (folder, folder.name)


def test_definitions_that_are_loaded_by_themselves(folder):
    package = write_project(folder, "auto_project", "autoload_defs = true\n")
    (package / "definitions.py").unlink()
    install(folder)
    assert asset_names() == {"mine"}


def test_the_settings_of_dg_in_a_file_of_its_own(folder):
    package = write_project(folder, "dg_toml_project")
    write(
        folder / "dg.toml",
        'directory_type = "project"\n[project]\nroot_module = "dg_toml_project"\n'
        'code_location_target_module = "dg_toml_project.other"\ncode_location_name = "desk"\n',
    )
    write(package / "other.py", BODY.format("other"))
    install(folder)
    assert loaded_from() == "other"
    assert find_target().origin.location_name == "desk"


def test_a_workspace_of_dg_names_its_projects(folder):
    write(
        folder / "dg.toml",
        'directory_type = "workspace"\n[workspace]\n[[workspace.projects]]\npath = "projects/a"\n',
    )
    with pytest.raises(SettingsError, match=r"workspace of the projects projects/a: run"):
        load_definitions()
    write(folder / "dg.toml", 'directory_type = "project"\n[project]\n')
    with pytest.raises(SettingsError, match=r"names no root_module.*-m"):
        load_definitions()
    write(folder / "dg.toml", "[project\n")
    with pytest.raises(SettingsError, match=r"dg.toml cannot be read"):
        load_definitions()


def test_of_several_definitions_the_one_called_defs_counts(folder):
    write(folder / "merged.py", BODY.format("all") + "part = dg.Definitions()\n")
    assert loaded_from("merged") == "all"
    write(folder / "two.py", "from merged import defs as a, part as b\n")
    with pytest.raises(SettingsError, match=r"holds 2 Definitions, not one \(a, b\).*called defs"):
        load_definitions("two")
    write(folder / "same.py", "from merged import defs as a\nb = a\n")
    assert loaded_from("same") == "all"
    write(folder / "bare.py", ASSET.format("alone"))
    assert asset_names("bare") == {"alone"}
    write(folder / "empty.py")
    with pytest.raises(SettingsError, match=r"module 'empty' holds 0 Definitions"):
        load_definitions("empty")
    with pytest.raises(SettingsError, match=r"no module 'nowhere\.at_all'"):
        load_definitions("nowhere.at_all")


def test_what_a_module_itself_needs_is_named_by_python(folder):
    write(folder / "needy.py", "import not_installed_at_all\n")
    with pytest.raises(ModuleNotFoundError, match="not_installed_at_all"):
        load_definitions("needy")


def test_the_variables_of_a_project(folder, monkeypatch):
    monkeypatch.setenv("DESK", "of the shell")
    write(folder / ".env", "DESK=of the project\n")
    write(
        folder / "reads.py",
        "import os, dagster as dg\ndefs = dg.Definitions(metadata={'from': os.environ['DESK']})",
    )
    assert loaded_from("reads") == "of the project"  # as in Dagster's own processes


def test_the_workspace_that_is_handed_to_dagster_holds_the_same(folder, monkeypatch):
    for config in ("", "autoload_defs = true\n"):
        write_project(folder, "handed", config)
        install(folder)
        target = find_target()
        write(folder / "copy" / "workspace.yaml", target.workspace_text())
        with monkeypatch.context() as elsewhere:
            elsewhere.chdir(folder / "copy")
            assert find_target().origin == target.origin
            assert asset_names() == {"mine"}
