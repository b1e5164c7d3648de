"""Who owns an experiment: the part of a code location whose results it holds.

The first that writes becomes the owner. Another one is refused before it has done anything, since
it would replace what the first has recorded. A code location is recognised by its name, its module
or its file, so that the same code may be launched in any way; a script or a notebook, of which
neither is known, may go on with what a code location owns, as an online manager in a script does.
"""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from typing_extensions import Self

from wf_dagster.errors import ExperimentNotFoundError, OwnerError
from wf_dagster.tracking.experiment_manager import MLflowExpManager
from wf_dagster.tracking.store import call_store

_log = logging.getLogger(__name__)
_TAGS = {"strategy": "wf_owner", "signals": "wf_signals_owner"}  # of an experiment, by kind
KINDS = tuple(_TAGS)
_COMMON_WORDS = {
    *("app", "assets", "code_location", "dagster", "dagster_project", "definitions", "defs"),
    *("jobs", "main", "my_project", "pipelines", "project", "repo", "repository", "src"),
    "workspace",
}


@dataclass(frozen=True)
class Owner:
    """A part of a code location.

    Attributes:
        part: Name of the strategy, or key of the asset.
        location: Name of the code location; ``""`` where Dagster gave it none.
        module: Module that holds its definitions; ``""`` if they were loaded from a file.
        file: File that holds them, on ``host``.
        host: Name of the machine.
    """

    part: str
    location: str = ""
    module: str = ""
    file: str = ""
    host: str = ""

    @classmethod
    def of(cls, part: str, location: str = "", module: str = "", file: str = "") -> Self:
        """An owner on this machine."""
        return cls(part, location, module, file, socket.gethostname())

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What :meth:`to_json` gave; of a later version what is known here."""
        values: dict[str, Any] = json.loads(text)
        known = cls.__dataclass_fields__
        return cls(**{name: str(value) for name, value in values.items() if name in known})

    def to_json(self) -> str:
        """As a text."""
        return json.dumps(asdict(self))

    def __str__(self) -> str:
        places = [
            f"code location {self.location!r}" if self.location else "",
            f"module {self.module}" if self.module else "",
            f"file {self.file} on {self.host}" if self.file else "",
        ]
        known = ", ".join(place for place in places if place)
        return f"{self.part!r} of {known or 'a script or notebook'}"

    @property
    def has_code(self) -> bool:
        """Whether it is known where its code is."""
        return bool(self.location or self.module or self.file)

    def completed_by(self, before: Owner) -> Owner:
        """What is known now, and of before what is not: a command line names no code location."""
        return Owner(
            self.part,
            self.location or before.location,
            self.module or before.module,
            self.file or before.file,
            self.host if self.file else before.host,
        )

    def is_of_same_code(self, other: Owner) -> bool:
        """Whether both are of one code location, however it was launched.

        A name that says nothing of a project, such as ``definitions.py``, counts unless the file
        of the other one is still there, beside this one.
        """
        if not (self.has_code and other.has_code) or (self.file and self.file == other.file):
            return True
        shared = {self.location, self.module} & {other.location, other.module} - {""}
        if any(not _is_common(name) for name in shared):
            return True
        is_beside = bool(self.file) and other.host == self.host and Path(other.file).is_file()
        return bool(shared) and not is_beside


def _is_common(name: str) -> bool:
    """Whether many projects have a module, or a code location, of this name."""
    return name.endswith(".py") or {*name.split(".")} <= _COMMON_WORDS


def read_owner(experiment_name: str, kind: str) -> Owner | None:
    """The owner of what an experiment holds; ``None`` where nobody was noted.

    Args:
        experiment_name: One that is not there has none.
        kind: ``"strategy"`` or ``"signals"``.

    Raises:
        TrackingError: The store fails.
    """
    try:
        experiment = MLflowExpManager().get_exp(experiment_name=experiment_name, create=False)
    except ExperimentNotFoundError:
        return None
    entity = call_store(
        experiment.uri, "reading an experiment", lambda client: client.get_experiment(experiment.id)
    )
    text = entity.tags.get(_TAGS[kind])
    return Owner.from_json(text) if text else None


def write_owner(experiment_name: str, kind: str, owner: Owner | None) -> None:
    """Note the owner of what an experiment holds, whoever was noted before.

    Args:
        experiment_name: Made when it is not there.
        kind: ``"strategy"`` or ``"signals"``.
        owner: ``None`` for nobody: the next one that writes becomes it.

    Raises:
        TrackingError: The store fails.
    """
    experiment = MLflowExpManager().get_exp(experiment_name=experiment_name)
    text = "" if owner is None else owner.to_json()  # MLflow cannot take such a tag away
    call_store(
        experiment.uri,
        "changing an experiment",
        lambda client: client.set_experiment_tag(experiment.id, _TAGS[kind], text),
    )


def claim_experiment(
    experiment_name: str,
    kind: str,
    owner: Owner,
    *,
    remedy: str,
    is_gone: Callable[[str], bool] = lambda part: False,
) -> None:
    """Become the owner of what an experiment holds, or go on as the owner.

    Args:
        experiment_name: Made when it is not there.
        kind: ``"strategy"`` or ``"signals"``.
        owner: Who is about to write.
        remedy: How another one gets an experiment of its own.
        is_gone: Whether the code location has no part of this name any more: then the part was
            renamed, and goes on.

    Raises:
        OwnerError: It has another owner; nothing was changed.
        TrackingError: The store fails.
    """
    before = read_owner(experiment_name, kind)
    if before is not None:
        is_same_code = owner.is_of_same_code(before)
        is_renamed = is_same_code and owner.has_code and is_gone(before.part)
        if not is_same_code or not (owner.part == before.part or is_renamed):
            raise OwnerError(
                f"experiment {experiment_name!r} holds the {_WORDS[kind]} of {before}; this is "
                f"{owner}, which would replace it: nothing was changed. {remedy}; if it is the "
                "same under a new name, or is to take over, release the experiment first: "
                f"wf-dagster owner {experiment_name!r} --release"
            )
        if is_renamed and owner.part != before.part:
            _log.warning(
                "experiment %r: %r, which is not defined any more, goes on as %r",
                *(experiment_name, before.part, owner.part),
            )
    noted = owner if before is None else owner.completed_by(before)
    if noted != before:
        write_owner(experiment_name, kind, noted)


_WORDS = {"strategy": "recorders and online models", "signals": "signals"}
