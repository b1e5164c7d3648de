"""A database's own record of where its home folder is; its addresses follow the folder.

The record is a table beside MLflow's, so that it goes wherever the database goes, and is written
together with the addresses. What MLflow itself reads, its page above all, is then right too.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from wf_dagster.tracking.addresses import local_path
from wf_dagster.tracking.home_places import HomePlaces, guess_former, is_same_folder

_log = logging.getLogger(__name__)
_RECORD = "wf_home_places"
_ADDRESSES = (  # table, column, which rows
    ("experiments", "artifact_location", "1"),
    ("runs", "artifact_uri", "1"),
    ("logged_models", "artifact_location", "1"),
    ("model_versions", "source", "1"),
    ("model_versions", "storage_location", "1"),
    ("trace_tags", "value", "key = 'mlflow.artifactLocation'"),
)
_Change = tuple[str, str, int, str]  # table, column, row, new address


class HomeRecord:
    """Where the home folder of a database is, was, and what that means for addresses.

    Args:
        database: The SQLite file.
        here: The folder whose place decides: the home folder, or that of the database.
        patience: Seconds to wait for who has locked the database.
    """

    def __init__(self, database: Path, here: Path, patience: float) -> None:
        self._database = database
        self._here = here
        self._patience = patience
        self._asked: set[Path] = set()
        self.places = HomePlaces(here)

    def settle(self) -> None:
        """Record the present place, and let the addresses of files follow from former ones.

        All or nothing; harmless when several processes do it. Addresses elsewhere stay. Where the
        database cannot be written, a warning says so, and files are found when they are read.
        """
        with self._connect() as connection:
            recorded = _read_recorded(connection)
            if recorded == [self._here]:
                return
            plan = _Plan(connection, self._here, recorded)
            self.places = plan.places
            if not plan.is_needed:
                return
            try:
                connection.execute("BEGIN IMMEDIATE")
                # somebody may have done it since
                plan = _Plan(connection, self._here, _read_recorded(connection))
                plan.carry_out(connection)
                connection.execute("COMMIT")
            except sqlite3.OperationalError as error:
                _log.warning(
                    "%s says where files were before the home folder was moved to %s, and cannot "
                    "be written (%s): files are found here, but not by MLflow's page",
                    self._database,
                    self._here,
                    error,
                )
                return
        self.places = plan.places
        plan.report(self._database)

    def current(self, uri: str) -> str:
        """The present address of files.

        A process elsewhere may see the same folder at another place, and have brought the
        addresses there.
        """
        if self.places.is_here(uri):
            return uri
        moved, path = self.places.current(uri), local_path(uri)
        if moved != uri or path is None or path.parent in self._asked:
            return moved
        try:
            with self._connect() as connection:
                recorded = _read_recorded(connection) or []
        except sqlite3.OperationalError:  # locked: asked again with the next address
            return uri
        self._asked.add(path.parent)
        self.places = _places(self._here, [*self.places.former, *recorded])
        return self.places.current(uri)

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        address = f"{self._database.as_uri()}?mode=rw"  # never makes a file
        with closing(
            sqlite3.connect(address, uri=True, timeout=self._patience, isolation_level=None)
        ) as connection:
            yield connection


class _Plan:
    """What has to be written.

    Args:
        connection: The database.
        here: The present place.
        recorded: All places recorded; ``None`` where there is no record yet.
    """

    def __init__(
        self, connection: sqlite3.Connection, here: Path, recorded: list[Path] | None
    ) -> None:
        is_guess = recorded is None
        if recorded is None:
            locations = connection.execute("SELECT artifact_location FROM experiments")
            recorded = guess_former(here, [uri for (uri,) in locations if uri])
        self.places = _places(here, recorded)
        self._is_new = is_guess or here not in recorded
        moved = [place for place in self.places.former if not is_same_folder(place, here)]
        self._changes: list[_Change] = []
        self._split: list[Path] = []  # where an earlier version went on writing after a move
        if moved:
            mapping = HomePlaces(here, tuple(moved))
            follow = self._follow_guess(mapping) if is_guess else mapping.current
            self._changes = list(_find_changes(connection, follow))
        if self._split:
            self.places = HomePlaces(here)

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to write."""
        return self._is_new or bool(self._changes)

    def carry_out(self, connection: sqlite3.Connection) -> None:
        """Write it, inside a transaction."""
        connection.execute(f"CREATE TABLE IF NOT EXISTS {_RECORD} (folder TEXT PRIMARY KEY)")
        connection.executemany(
            f"INSERT OR IGNORE INTO {_RECORD} VALUES (?)",
            [(str(place),) for place in (self.places.here, *self.places.former)],
        )
        for table, column, row, uri in self._changes:
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (uri, row))

    def report(self, database: Path) -> None:
        """Say what was written."""
        if self._changes:
            runs = sum(table == "runs" for table, *_ in self._changes)
            _log.warning(
                "the home folder is now at %s: the files of %d runs are found there, and %d "
                "addresses in %s were changed",
                self.places.here,
                runs,
                len(self._changes),
                database.name,
            )
        if self._split:
            _log.warning(
                "%d runs of %s keep their files where the home folder was before, since they are "
                "not at %s; the first is %s",
                len(self._split),
                database.name,
                self.places.here,
                self._split[0],
            )

    def _follow_guess(self, mapping: HomePlaces) -> Callable[[str], str]:
        def follow(uri: str) -> str:
            path, moved = local_path(uri), mapping.current(uri)
            present = local_path(moved)
            if moved == uri or path is None or present is None:
                return uri
            if path.exists() and not present.exists():
                self._split.append(path)
                return uri
            return moved

        return follow


def _places(here: Path, recorded: list[Path]) -> HomePlaces:
    return HomePlaces(here, tuple(dict.fromkeys(place for place in recorded if place != here)))


def _read_recorded(connection: sqlite3.Connection) -> list[Path] | None:
    try:
        rows = connection.execute(f"SELECT folder FROM {_RECORD} ORDER BY rowid").fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return None
        raise
    return [Path(folder) for (folder,) in rows]


def _find_changes(
    connection: sqlite3.Connection, follow: Callable[[str], str]
) -> Iterator[_Change]:
    for table, column, condition in _ADDRESSES:
        columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        if column not in columns:  # of another version of MLflow
            continue
        rows = connection.execute(f"SELECT rowid, {column} FROM {table} WHERE {condition}")
        for row, uri in rows.fetchall():
            new = follow(uri) if uri else uri
            if new != uri:
                yield table, column, row, new
