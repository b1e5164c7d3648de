"""Files of a run: written at once on this machine, through MLflow anywhere else."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from wf_dagster.errors import ObjectNotFoundError, TrackingError
from wf_dagster.tracking.addresses import local_path
from wf_dagster.tracking.store_calls import call_with_retry
from wf_dagster.tracking.tracking_settings import store_patience

_T = TypeVar("_T")
_PART = ".part-"  # prefix of files that are being written


class Artifacts:
    """The files of one run.

    On this machine a file is replaced atomically: a reader sees the old content or the new.

    Args:
        run_id: The run, for messages.
        uri: Where its files are.
        tracking: The tracking address, which proxies the files of some servers.
        name_of: Gives the name of a file that messages show.
    """

    def __init__(
        self, run_id: str, uri: str, tracking: str, name_of: Callable[[str], str] = str
    ) -> None:
        self._run_id = run_id
        self.name_of = name_of
        self._uri = uri
        self._tracking = tracking
        self._folder = local_path(uri)

    @property
    def is_local(self) -> bool:
        """Whether the files are on this machine."""
        return self._folder is not None

    def write(self, name: str, content: bytes) -> None:
        """Write a file; folders in its name are made."""
        _check_name(name)
        if self._folder is None:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, PurePosixPath(name).name)
                path.write_bytes(content)
                self._call(f"saving {name}", lambda r: r.log_artifact(str(path), _parent(name)))
            return
        self._replace(name, lambda part: part.write_bytes(content))

    def _replace(self, name: str, fill: Callable[[Path], Any]) -> None:
        assert self._folder is not None
        target = self._folder / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, part_path = tempfile.mkstemp(dir=target.parent, prefix=_PART)
        except OSError as error:
            raise TrackingError(
                f"the artifact folder {target.parent} cannot be written ({error.strerror}): new "
                "experiments keep their files where wf_dagster.init(artifact_location=...) or "
                "WF_ARTIFACT_LOCATION says"
            ) from error
        os.close(handle)
        part = Path(part_path)
        try:
            fill(part)
            part.chmod(0o644)
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise

    def copy_in(self, source: Path, folder: str | None) -> list[str]:
        """Copy a file, or what a folder holds, into a folder of the run; returns their names."""
        if not source.exists():
            raise TrackingError(f"{source} cannot be saved: there is no such file or folder")
        files = (
            [source] if source.is_file() else sorted(f for f in source.rglob("*") if f.is_file())
        )
        base = source.parent if source.is_file() else source
        names = []
        for file in files:
            name = file.relative_to(base).as_posix()
            names.append(_check_name(f"{folder.rstrip('/')}/{name}" if folder else name))
            self._copy(file, names[-1])
        return names

    def _copy(self, source: Path, name: str) -> None:
        if self._folder is None:
            self._call(f"saving {name}", lambda r: r.log_artifact(str(source), _parent(name)))
        else:
            self._replace(name, lambda part: shutil.copyfile(source, part))

    def present(self, names: Sequence[str]) -> list[str]:
        """Which of these files are there; they are in one folder."""
        if self._folder is not None:
            return [n for n in names if (self._folder / _check_name(n)).is_file()]
        files = set(self.list(_parent(_check_name(names[0]))))
        return [n for n in names if n in files]

    def first(self, names: Sequence[str]) -> str | None:
        """The first of these files that is there; they are in one folder."""
        return next(iter(self.present(names)), None)

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            ObjectNotFoundError: It is not there.
        """
        if self._folder is not None:
            try:
                return (self._folder / _check_name(name)).read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                raise self._missing_object(name) from None
        with tempfile.TemporaryDirectory() as folder:
            return Path(self._download(name, folder)).read_bytes()

    def download(self, name: str, folder: str | None = None) -> str:
        """Path of a copy of a file or folder; of itself if it is here and no folder is given.

        Args:
            name: Its name; empty for all there is.
            folder: Where the copy is to be; it is made.

        Raises:
            ObjectNotFoundError: It is not there.
        """
        if name:
            _check_name(name)
        if self._folder is not None and not (self._folder / name).exists():
            raise self._missing_object(name)
        if self._folder is not None and folder is None:
            return str(self._folder / name)
        if folder is not None:
            Path(folder).mkdir(parents=True, exist_ok=True)
        return self._download(name, folder)

    def remove(self, name: str) -> None:
        """Remove a file."""
        if self._folder is not None:
            (self._folder / _check_name(name)).unlink(missing_ok=True)
        else:
            self._call(f"removing {name}", lambda r: r.delete_artifacts(name))

    def list(self, path: str | None = None) -> list[str]:
        """Names of the files and folders directly in a folder of the run."""
        if self._folder is None:
            return sorted(
                f.path for f in self._call("listing files", lambda r: r.list_artifacts(path))
            )
        folder = self._folder / _check_name(path) if path else self._folder
        if not folder.is_dir():
            return []
        paths = (path for path in folder.iterdir() if not path.name.startswith(_PART))
        return sorted(path.relative_to(self._folder).as_posix() for path in paths)

    def _download(self, name: str, folder: str | None) -> str:
        if self._folder is None and name and self.first([name]) is None:
            raise self._missing_object(name)
        return str(self._call(f"loading {name}", lambda r: r.download_artifacts(name, folder)))

    def _missing_object(self, name: str) -> ObjectNotFoundError:
        if self._folder is not None and not self._folder.parent.parent.is_dir():
            return ObjectNotFoundError(
                f"recorder {self._run_id} holds no {name!r}: the folder of its experiment, "
                f"{self._folder.parent.parent}, is not there; bring it back, or move the home "
                "folder together with its database"
            )
        files = ", ".join(map(self.name_of, self.list(_parent(name)))) or "nothing"
        where = f"its folder {_parent(name)!r} holds" if _parent(name) else "it holds"
        return ObjectNotFoundError(f"recorder {self._run_id} holds no {name!r}: {where} {files}")

    def _call(self, what: str, call: Callable[[Any], _T]) -> _T:
        from mlflow.store.artifact.artifact_repository_registry import (  # slow to import
            get_artifact_repository,
        )

        def call_repository() -> _T:
            return call(get_artifact_repository(self._uri, tracking_uri=self._tracking))

        return call_with_retry(self._tracking, what, call_repository, patience=store_patience())


def _check_name(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.name or "\\" in name:
        raise TrackingError(
            f"{name!r} is no name inside a recorder: use a relative path such as 'folder/pred.pkl'"
        )
    return name


def _parent(name: str) -> str | None:
    parent = PurePosixPath(name).parent.as_posix()
    return None if parent == "." else parent
