"""The objects and files of a recorder."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, cast

from wf_dagster.errors import BrokenObjectError, ObjectNotFoundError, TrackingError
from wf_dagster.tracking import object_files, own_code
from wf_dagster.tracking.addresses import local_path
from wf_dagster.tracking.artifacts import Artifacts
from wf_dagster.tracking.downloads import download
from wf_dagster.tracking.object_files import Unpickler
from wf_dagster.tracking.saved_names import PARQUET, name_of, tags_of_names
from wf_dagster.tracking.tracking_settings import trusted_modules

Raw = Literal["bytes", "path"]
_PAUSES = (0.2, 1.0)  # seconds, after which a file that is just being replaced is read again


class RecorderObjects:
    """Objects, each in a file: frames as Parquet, others as pickles.

    Attributes:
        id: Identifies the recorder.
        uri: The tracking address it was found at.
        artifact_uri: Where its files are.
        trusted: Modules whose classes may be loaded: whoever opened the recorder names them.
    """

    id: str
    uri: str
    artifact_uri: str
    trusted: set[str]

    def trust(self, modules: Iterable[str]) -> None:
        """Let classes of modules be loaded from it.

        What this session itself defines (``__main__``) it may load again whenever it opens the
        recorder.
        """
        self.trusted |= set(modules)
        own_code.note_trust(self.id, self.trusted)

    def _known_tags(self) -> dict[str, str]:
        """The tags, without asking the store where this process knows them."""
        raise NotImplementedError

    def set_tags(self, **kwargs: Any) -> None:
        """Set tags, replacing earlier values."""
        raise NotImplementedError

    @property
    def _artifacts(self) -> Artifacts:
        return Artifacts(self.id, self.artifact_uri, self.uri, self._name_of)

    def _name_of(self, file: str) -> str:
        """The name under which what a file holds was saved."""
        return name_of(file, self._known_tags()) if file.endswith(PARQUET) else file

    def save_objects(
        self, local_path: str | None = None, artifact_path: str | None = None, **kwargs: Any
    ) -> None:
        """Save objects by name, replacing those saved before.

        Args:
            local_path: A file or folder to copy instead of objects.
            artifact_path: Folder in the recorder.
            **kwargs: Objects by name, e.g. ``**{"pred.pkl": frame}``.

        Raises:
            TrackingError: Both a path and objects are given; a name leaves the recorder; an
                object cannot be pickled.
        """
        if local_path is not None:
            if kwargs:
                raise TrackingError(
                    f"save_objects got local_path={local_path!r} and objects "
                    f"({', '.join(kwargs)}): save one or the other"
                )
            files = self._artifacts.copy_in(Path(local_path), artifact_path)
            self._note_names((file, file) for file in files)
        for name, value in kwargs.items():
            self._save_object(f"{artifact_path}/{name}" if artifact_path else name, value)

    def _save_object(self, name: str, value: Any) -> None:
        artifacts = self._artifacts
        before = artifacts.present(object_files.names_of(name))
        others = {file for file in before if self._name_of(file) != name}
        file, content = object_files.dump(name, value, is_renamed=not others)
        artifacts.write(file, content)
        for other in {*before} - {file} - others:
            artifacts.remove(other)
        self._note_names([(file, name)])

    def _note_names(self, saved: Iterable[tuple[str, str]]) -> None:
        parquet = [(file, name) for file, name in saved if file.endswith(PARQUET)]
        if parquet and (tags := tags_of_names(parquet, self._known_tags())):
            self.set_tags(**tags)

    def load_object(
        self,
        name: str,
        allow: Sequence[str] = (),
        raw: Raw | None = None,
        *,
        unpickler: Unpickler | None = None,
    ) -> Any:
        """An object that was saved, or a file as it is.

        Args:
            name: The name it was saved under.
            allow: Further modules, or dotted names, that a pickle may name.
            raw: ``"bytes"`` for the content of the file, ``"path"`` for a copy on this machine.
            unpickler: Reads the pickle in the place of this project's, such as
                ``pickle.Unpickler``, which lets it run any code; frames are kept as Parquet and
                need none.

        Raises:
            ObjectNotFoundError: There is none of that name.
            UnsafeObjectError: It names something that may run code.
            BrokenObjectError: It is no object that was saved.
            TrackingError: ``raw`` is neither.
        """
        if callable(allow):  # Qlib's second parameter is the unpickler
            unpickler, allow = cast(Unpickler, allow), ()
        if raw not in (None, "bytes", "path"):
            raise TrackingError(f"raw {raw!r} is unknown: use 'bytes' or 'path'")
        file = self._file_of(name, prefers_name=raw is not None)
        if raw is None:
            modules = [*allow, *self.trusted, *own_code.modules_of(self.id), *trusted_modules()]
            return self._load_file(file, modules, unpickler)
        return self._artifacts.read(file) if raw == "bytes" else self._artifacts.download(file)

    def _file_of(self, name: str, *, prefers_name: bool = False) -> str:
        """The file that holds an object; its name where there is none."""
        present = self._artifacts.present(object_files.names_of(name))
        if len(present) > 1 and (prefers_name or self._name_of(present[0]) != name):
            return name
        return present[0] if present else name

    def _load_file(self, file: str, allow: Sequence[str], unpickler: Unpickler | None) -> Any:
        for pause in _PAUSES:
            try:
                return object_files.load(file, self._artifacts.read(file), allow, unpickler)
            except (BrokenObjectError, ObjectNotFoundError):
                if self._artifacts.is_local:
                    raise
                time.sleep(pause)  # a server may be in the middle of replacing it
        return object_files.load(file, self._artifacts.read(file), allow, unpickler)

    def list_artifacts(self, artifact_path: str | None = None) -> list[str]:
        """Names of the objects, files and folders of the recorder, or of one of its folders.

        Each has the name that it was saved under: a frame saved as ``pred.pkl`` is ``pred.pkl``,
        though it is kept as Parquet.
        """
        return sorted(map(self._name_of, self._artifacts.list(artifact_path or None)))

    def log_artifact(self, local_path: str, artifact_path: str | None = None) -> None:
        """Copy a file or folder into the recorder."""
        self.save_objects(local_path=local_path, artifact_path=artifact_path)

    def download_artifact(self, path: str, dst_path: str | None = None) -> str:
        """Copy an object, a file or a folder of the recorder; returns where it is.

        What was saved as ``pred.pkl`` is a pickle of that name, which ``pandas.read_pickle`` reads.

        Args:
            path: Its name in the recorder; empty for all there is.
            dst_path: Folder to copy it to; default a new one, or none if it is on this machine as
                it was saved.

        Raises:
            ObjectNotFoundError: It is not there.
        """
        return download(self._artifacts, path, self._file_of(path) if path else "", dst_path)

    def get_artifact_uri(self) -> str:
        """Where the files are."""
        return str(self.artifact_uri)

    def get_local_dir(self) -> str:
        """The folder of the recorder, if it is on this machine; its files are in ``artifacts``.

        Raises:
            ObjectNotFoundError: It is not.
        """
        folder = local_path(self.artifact_uri)
        if folder is None:
            raise ObjectNotFoundError(
                f"the files of recorder {self.id} are at {self.artifact_uri}, not on this "
                "machine: use download_artifact"
            )
        return str(folder.parent)
