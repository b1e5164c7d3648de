"""Copies of what a recorder holds, each object under the name that it was saved with."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path

from wf_dagster.tracking.artifacts import Artifacts
from wf_dagster.tracking.parquet_objects import from_parquet
from wf_dagster.tracking.saved_names import PARQUET


def download(artifacts: Artifacts, path: str, file: str, folder: str | None) -> str:
    """A copy of an object, a file or a folder of a run.

    Args:
        artifacts: The files of the run.
        path: Its name; empty for all there is.
        file: The file that holds it; the name itself for a folder.
        folder: Where the copy is to be; ``None`` for a new one, or none where what is there has
            its own name.

    Returns:
        Where it is.

    Raises:
        ObjectNotFoundError: It is not there.
    """
    if file != path:
        target = Path(folder or tempfile.mkdtemp(), path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(_as_pickle(artifacts.read(file)))
        return str(target)
    place = Path(artifacts.download(path, folder))
    if place.is_dir() and _renamed_in(place, path, artifacts.name_of):
        if artifacts.is_local and folder is None:  # what is there stays as it is
            place = Path(artifacts.download(path, tempfile.mkdtemp()))
        for copy, name in _renamed_in(place, path, artifacts.name_of).items():
            copy.with_name(name).write_bytes(_as_pickle(copy.read_bytes()))
            copy.unlink()
    return str(place)


def _renamed_in(place: Path, path: str, name_of: Callable[[str], str]) -> dict[Path, str]:
    """The copies in a folder that are to have another name, which they had when they were saved."""
    names = {}
    for copy in sorted(place.rglob(f"*{PARQUET}")):
        file = Path(path, copy.relative_to(place)).as_posix()
        if (name := name_of(file)) != file:
            names[copy] = Path(name).name
    return names


def _as_pickle(parquet: bytes) -> bytes:
    return pickle.dumps(from_parquet(parquet))
