"""Which records of a task are of each training, and which can be of many trainings together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from wf_dagster.errors import TaskError
from wf_dagster.tasks.config import find_class
from wf_dagster.tasks.named_parts import LookUp, read_part
from wf_dagster.tasks.schema import list_records
from wf_dagster.tasks.signatures import Signature, read_signature

_ASKED_FOR = {"model", "dataset"}
_PLACEHOLDERS = {"<MODEL>", "<DATASET>"}
_MAKES_SIGNALS, _READS_ALONE = "SignalRecord", "HFSignalRecord"


@dataclass(frozen=True)
class RecordSplit:
    """The records of a task, by what they are computed from; each as it stood in the task.

    Attributes:
        signal: Those that need the model or the dataset of a training, such as ``SignalRecord``.
        analysis: Those that read what a recorder holds, such as ``SigAnaRecord`` and
            ``PortAnaRecord``: joined predictions serve them as well.
    """

    signal: list[Any] = field(default_factory=list)
    analysis: list[Any] = field(default_factory=list)


def split_records(task: Mapping[str, Any], look_up: LookUp | None = None) -> RecordSplit:
    """Split the records of a task into those of a training and those of joined predictions.

    What a class has parameters for decides, not what it is derived from: Qlib's ``HFSignalRecord``
    is a ``SignalRecord`` that only reads, and a record of your own may need the model. Names are
    told apart as in a task: a bare one is Qlib's record in a task of Qlib's.

    Args:
        task: A task or a template.
        look_up: Gives the signatures of dotted paths, so that nothing is imported here; default
            the classes are imported.

    Raises:
        TaskError: A record cannot be found.
    """
    split = RecordSplit()
    for where, record in list_records(task):
        of_training = needs_training(record, where, look_up)
        (split.signal if of_training else split.analysis).append(record)
    return split


def needs_training(record: Any, where: str = "record", look_up: LookUp | None = None) -> bool:
    """Whether a record needs the model or the dataset of a training.

    Args:
        record: Its configuration, whose name says where it is.
        where: Its path in the task, for messages.
        look_up: As for :func:`split_records`.

    Raises:
        TaskError: It cannot be found.
    """
    if not isinstance(record, (str, Mapping)):  # a ready object stays where it is
        return True
    if _PLACEHOLDERS & set(_texts(record)):
        return True
    signature, kwargs = _read(record, where, look_up)
    if _ASKED_FOR & {*signature.keywords, *kwargs}:
        return True
    # one that hands on whatever it is given does as the class it is derived from
    names = {base.rpartition(".")[2] for base in signature.bases}
    return signature.takes_any and _MAKES_SIGNALS in names and _READS_ALONE not in names


def _read(record: Any, where: str, look_up: LookUp | None) -> tuple[Signature, Mapping[str, Any]]:
    part = read_part(record, where)
    kwargs = {} if part is None else part.kwargs
    if part is None or part.path is None or look_up is None:
        return read_signature(find_class(record, where=where)), kwargs
    known = look_up([part.path])[part.path]
    if isinstance(known, TaskError):
        raise TaskError(f"{part.place}: {known}")
    return known or Signature("class"), kwargs


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value
