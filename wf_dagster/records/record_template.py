"""What all records share: where their objects are kept, and which other record they need."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from wf_dagster.errors import MissingObjectsError, ObjectNotFoundError, RecordError
from wf_dagster.imports.after_import import OpenBase

if TYPE_CHECKING:
    from wf_dagster.tracking import Recorder

_log = logging.getLogger(__name__)


class RecordTemplate(OpenBase):
    """Base of the records: computes objects and metrics, and keeps them in a recorder.

    Qlib's ``RecordTemp``, whose name it has too.

    Args:
        recorder: Where results go and where the results of other records are found.

    Attributes:
        artifact_path: Folder of this record's objects in the recorder; ``None`` is the top.
        depend_cls: The record whose objects this one needs.

    Raises:
        RecordError: No recorder was given.
    """

    artifact_path: ClassVar[str | None] = None
    depend_cls: ClassVar[type[RecordTemplate] | None] = None

    def __init__(self, recorder: Recorder) -> None:
        if recorder is None:
            raise RecordError(
                f"{type(self).__name__} has no recorder: make it with recorder=..., for example "
                "R.get_recorder() inside `with R.start(...)`"
            )
        self._recorder = recorder

    @property
    def recorder(self) -> Recorder:
        """Where results go."""
        return self._recorder

    @classmethod
    def get_path(cls, path: str | None = None) -> str:
        """Name of an object inside the recorder, with this record's folder."""
        return "/".join(part for part in (cls.artifact_path, path) if part is not None)

    def generate(self, **kwargs: Any) -> Any:
        """Compute the results and keep them."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it generates")

    def save(self, **objects: Any) -> None:
        """Keep objects by name in this record's folder."""
        self.recorder.save_objects(artifact_path=self.get_path() or None, **objects)

    def load(self, name: str, parents: bool = True) -> Any:
        """An object by name: of this record, else of the records that it depends on.

        Args:
            name: Name without folder.
            parents: Also look where the records keep theirs on which this one depends.

        Raises:
            ObjectNotFoundError: It is in none of these places.
        """
        paths = dict.fromkeys(kind.get_path(name) for kind in self._kinds(parents))
        for path in paths:
            try:
                return self.recorder.load_object(path)
            except ObjectNotFoundError as error:
                missing = error
        raise missing

    def list(self) -> list[str]:
        """Names (without folder) of the objects that :meth:`generate` keeps."""
        return []

    def check(self, include_self: bool = False, parents: bool = True) -> None:
        """Make sure that objects are there.

        Args:
            include_self: Those of this record.
            parents: Those of the records that it depends on.

        Raises:
            RecordError: Some are missing; the message names them (a ``FileNotFoundError`` too).
        """
        artifacts: dict[str, set[str]] = {}  # by folder
        for kind in self._kinds(parents):
            if kind is type(self) and not include_self:
                continue
            missing = []
            for name in self._as_kind(kind).list():
                path = kind.get_path(name)
                folder = path.rpartition("/")[0]
                if folder not in artifacts:
                    artifacts[folder] = set(self.recorder.list_artifacts(folder or None))
                if path not in artifacts[folder]:
                    missing.append(path)
            if missing:
                raise MissingObjectsError(
                    f"recorder {self.recorder.name!r} ({self.recorder.id}) holds no "
                    f"{', '.join(missing)}: run {kind.__name__} on it before "
                    f"{type(self).__name__} (in a task: put it earlier in `record`)"
                )

    def _as_kind(self, kind: type[RecordTemplate]) -> RecordTemplate:
        """This record as one of a kind that it depends on, which may ask for its attributes."""
        if kind is type(self):
            return self
        record = kind.__new__(kind)
        vars(record).update(vars(self))
        return record

    def _kinds(self, parents: bool) -> Iterator[type[RecordTemplate]]:
        kind: type[RecordTemplate] | None = type(self)
        while kind is not None:
            yield kind
            kind = kind.depend_cls if parents else None


def log_figures(recorder: Recorder, figures: Mapping[str, float]) -> None:
    """Log figures as metrics of a recorder.

    One that is not defined is left out; where an earlier run logged a value it becomes NaN, since
    the latest value of a metric is the one that is shown.

    Args:
        recorder: Where they are logged.
        figures: Values by name; NaN or infinite is not defined.
    """
    metrics = {name: float(value) for name, value in figures.items() if math.isfinite(value)}
    if len(metrics) < len(figures):
        stale = figures.keys() & recorder.list_metrics().keys() - metrics.keys()
        metrics |= dict.fromkeys(sorted(stale), math.nan)
    if metrics:
        recorder.log_metrics(None, **metrics)


def note_figures(record: RecordTemplate, convention: str, reasons: Sequence[str]) -> None:
    """Say what annual figures count with, and which figures are left out and why.

    Both stand in the tag ``FOLDER.figures`` of the recorder, ``FOLDER`` being the record's folder;
    reasons are warnings in the log too.

    Args:
        record: Whose figures they are.
        convention: What annual figures count with, such as ``252 sessions a year``.
        reasons: Sentences without full stop.
    """
    for reason in reasons:
        _log.warning("%s: %s", type(record).__name__, reason)
    tag = f"{record.artifact_path or type(record).__name__}.figures"
    record.recorder.set_tags(**{tag: "; ".join([convention, *reasons])})


class DependentRecord(RecordTemplate):
    """A record that is computed from what another one kept.

    Qlib's ``ACRecordTemp``, whose name it has too. That something is missing which it needs is an
    error here, and a line of the log in Qlib.

    Args:
        recorder: Holds the objects of ``depend_cls``.
        skip_existing: Do nothing when all objects of this record are there already.
    """

    def __init__(self, recorder: Recorder, skip_existing: bool = False) -> None:
        super().__init__(recorder)
        self.skip_existing = skip_existing

    def generate(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        """Compute the results from what the recorder holds, and keep them.

        Args:
            *args: For the computation, as it takes them.
            **kwargs: More of them.

        Returns:
            The kept objects by name; ``None`` when they were there and ``skip_existing`` is set,
            or when the computation gave none.

        Raises:
            RecordError: The recorder lacks what this record needs.
        """
        if self.skip_existing:
            try:
                self.check(include_self=True, parents=False)
            except MissingObjectsError:
                pass
            else:
                _log.info("%s: results are there already, skipped", type(self).__name__)
                return None
        self.check()
        objects = self._generate(*args, **kwargs)
        if isinstance(objects, dict):
            self.save(**objects)
        return objects

    def _generate(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        """The objects to keep, by name; nothing is kept of another thing."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it generates")


# Qlib's names
RecordTemp = RecordTemplate
ACRecordTemp = DependentRecord
