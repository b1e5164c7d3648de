from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa

import wf_dagster
from wf_dagster import R, TaskManager
from wf_dagster.sqlite_urls import means_itself, sqlite_file, sqlite_url

NAMES = ["plain", "a b", "a#b", "a?b", "a?b=c&d", "a%20b", "a%b", "50%", "ä ß", "a@b:c", "[a]", "+"]


@pytest.mark.parametrize("name", NAMES)
def test_an_address_opens_the_file_that_it_was_made_of(tmp_path: Path, name: str) -> None:
    file = tmp_path / "at" / name / "x.db"
    file.parent.mkdir(parents=True)
    url = sqlite_url(file)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (x)")
    engine.dispose()
    assert sqlite3.connect(file).execute("SELECT name FROM sqlite_master").fetchall() == [("t",)]
    assert [path.name for path in (tmp_path / "at").iterdir()] == [name]
    assert sqlite_file(url) == file


def test_usual_paths_are_spelled_as_ever() -> None:
    assert sqlite_url(Path("/a b/ä/x.db")) == "sqlite:////a b/ä/x.db"


def test_addresses_with_a_path_of_sqlites_own_kind() -> None:
    assert sqlite_file("sqlite+pysqlite:///file:/a%20b/x.db?uri=true") == Path("/a b/x.db")
    assert sqlite_file("sqlite:///file:/a/x.db?uri=true&mode=ro") == Path("/a/x.db")


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "postgresql://h/d", "//[", ""])
def test_addresses_of_no_file(url: str) -> None:
    assert sqlite_file(url) is None


def test_what_libraries_make_of_a_path() -> None:
    assert means_itself(Path("/a b/ä#c/50%"))
    assert not means_itself(Path("/a?b"))
    assert means_itself(Path("/a%20b")) is (sa.make_url("sqlite:////a%20b").database == "/a%20b")


@pytest.mark.parametrize("name", ["wf? #1", "a%20b", "wf?x=1", "ä+ö &"])
def test_a_home_of_any_name_holds_recorders_and_tasks(
    tmp_path: Path, empty_store: Path, name: str
) -> None:
    home = tmp_path / "at" / name
    home.mkdir(parents=True)
    shutil.copy(empty_store, home / "mlflow.db")
    wf_dagster.init(home=home)
    with R.start(experiment_name="e"):
        R.save_objects(**{"a b?.pkl": [1, 2]})
        recorder = R.get_recorder()
    pool = TaskManager("p")
    pool.create_task([{"a": 1}])

    assert R.get_recorder(recorder_id=recorder.id).load_object("a b?.pkl") == [1, 2]
    assert Path(recorder.get_local_dir()).is_relative_to(home)
    assert [task["def"] for task in pool.query()] == [{"a": 1}]
    assert {"mlflow.db", "tasks.db", "artifacts"} <= {path.name for path in home.iterdir()}
    assert [path.name for path in home.parent.iterdir()] == [name]  # nothing lies beside it


def test_addresses_by_hand_are_quoted_as_sqlalchemy_says(
    tmp_path: Path, home: Path, empty_store: Path
) -> None:
    folder = tmp_path / "my?#%20 store"
    folder.mkdir()
    urls = [
        sa.URL.create("sqlite+pysqlite", database=str(folder / name)).render_as_string()
        for name in ("runs.db", "tasks.db")
    ]
    if sa.make_url(urls[0]).database != str(folder / "runs.db"):
        pytest.skip("SQLAlchemy 2.0 quotes nothing")
    wf_dagster.init(home=home, tracking_uri=urls[0], task_store=urls[1])
    shutil.copy(empty_store, folder / "runs.db")
    with R.start(experiment_name="e"):
        R.save_objects(x=1)
        recorder = R.get_recorder()
    TaskManager("p").create_task([{"a": 1}])
    assert R.get_recorder(recorder_id=recorder.id).load_object("x") == 1
    assert {"runs.db", "tasks.db"} <= {path.name for path in folder.iterdir()}
    assert {path.name for path in tmp_path.iterdir()} == {folder.name, home.name}
