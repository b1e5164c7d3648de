"""Files of a run: written at once on this machine, through MLflow anywhere else."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from wf_dagster.errors import ObjectNotFoundError
from wf_dagster.tracking.store import local_path, translated

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


class Artifacts:
    """The files of one run.

    A file is replaced atomically: a reader sees the old content or the new.
    """

    def __init__(self, client: MlflowClient, run_id: str, uri: str) -> None:
        self._client = client
        self._run_id = run_id
        self._folder = local_path(uri)

    def write(self, name: str, content: bytes) -> None:
        """Write a file; folders in its name are made."""
        if self._folder is None:
            with tempfile.TemporaryDirectory() as folder, translated(what=f"saving {name}"):
                path = Path(folder, PurePosixPath(name).name)
                path.write_bytes(content)
                self._client.log_artifact(self._run_id, str(path), _parent(name))
            return
        target = self._folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=target.parent, prefix=".part-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(part).chmod(0o644)
            Path(part).replace(target)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            ObjectNotFoundError: It is not there.
        """
        if self._folder is not None:
            try:
                return (self._folder / name).read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                raise ObjectNotFoundError(f"run {self._run_id} holds no {name!r}") from None
        if name not in self.list(_parent(name)):
            raise ObjectNotFoundError(f"run {self._run_id} holds no {name!r}")
        with tempfile.TemporaryDirectory() as folder, translated(what=f"loading {name}"):
            return Path(self._client.download_artifacts(self._run_id, name, folder)).read_bytes()

    def remove(self, name: str) -> None:
        """Remove a file of this machine; elsewhere MLflow has no way to."""
        if self._folder is not None:
            (self._folder / name).unlink(missing_ok=True)

    def list(self, path: str | None = None) -> list[str]:
        """Names of the files and folders directly in a folder of the run."""
        if self._folder is not None:
            folder = self._folder / (path or "")
            if not folder.is_dir():
                return []
            found = (f for f in folder.iterdir() if not f.name.startswith(".part-"))
            return sorted(f.relative_to(self._folder).as_posix() for f in found)
        with translated(what="listing artifacts"):
            return sorted(f.path for f in self._client.list_artifacts(self._run_id, path))


def _parent(name: str) -> str | None:
    parent = PurePosixPath(name).parent.as_posix()
    return None if parent == "." else parent
