"""The names under which objects were saved, and the files that hold them.

A frame saved as ``pred.pkl`` is the file ``pred.parquet``, and is listed as ``pred.pkl``. Which of
the two names a Parquet file has is told by its recorder: in one of this project ``pred.pkl``, in a
run of somebody else's that of the file. What is named otherwise, such as a file that was copied in,
stands in tags.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from wf_dagster.tracking.run_kinds import KIND_TAG

PARQUET = ".parquet"
NAMES_TAG = "wf_saved_as"  # .digest: names, one a line
_PICKLE = ".pkl"
_PICKLES = {_PICKLE, ".pickle"}
_MOST_CHARACTERS = 4000  # of a tag: MLflow takes 5000 in all its versions


def files_of(name: str) -> list[str]:
    """The files that an object of a name may be kept in."""
    path = PurePosixPath(name)
    if path.suffix not in _PICKLES:
        return [name]
    return [str(path.with_suffix(PARQUET)), name]


def name_of(file: str, tags: Mapping[str, str]) -> str:
    """The name under which what is in a file was saved.

    Args:
        file: Its path in the recorder.
        tags: Those of the recorder.
    """
    if not file.endswith(PARQUET):
        return file
    named = {files_of(name)[0]: name for name in _names_in(tags)}
    return named.get(file, _usual_name(file, tags))


def tags_of_names(saved: Iterable[tuple[str, str]], tags: Mapping[str, str]) -> dict[str, str]:
    """The tags that tell the names of files which have just been saved.

    Args:
        saved: Files and the names they were saved under.
        tags: Those that the recorder has.

    Returns:
        Only what is new: none where the names are the usual ones.
    """
    wanted = {file: name for file, name in saved if file.endswith(PARQUET)}
    unusual = [name for file, name in wanted.items() if name_of(file, tags) != name]
    changed: dict[str, str] = {}
    if unusual:
        for key, text in tags.items():  # what was said of these files before
            if key.startswith(NAMES_TAG):
                left = [name for name in text.splitlines() if files_of(name)[0] not in wanted]
                if len(left) < len(text.splitlines()):
                    changed[key] = "\n".join(left)
    usual = {name for file, name in wanted.items() if name == _usual_name(file, tags)}
    for text in _as_lines(name for name in unusual if name not in usual):
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        changed[f"{NAMES_TAG}.{digest}"] = text
    return changed


def _usual_name(file: str, tags: Mapping[str, str]) -> str:
    return str(PurePosixPath(file).with_suffix(_PICKLE)) if KIND_TAG in tags else file


def _names_in(tags: Mapping[str, str]) -> Iterator[str]:
    for key, text in tags.items():
        if key.startswith(NAMES_TAG):
            yield from text.splitlines()


def _as_lines(names: Iterable[str]) -> Iterator[str]:
    lines: list[str] = []
    for name in names:
        if lines and sum(map(len, lines)) + len(lines) + len(name) > _MOST_CHARACTERS:
            yield "\n".join(lines)
            lines = []
        lines.append(name)
    if lines:
        yield "\n".join(lines)
