"""The ``instruments`` of a dataset: which forms they have, and what is wrong without prices."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from wf_dagster.errors import DataError

INSTRUMENTS = "dataset.kwargs.instruments"
_FILES = (".txt", ".csv", ".tsv", ".parquet")
SHAPES = (
    "a list of names; the path of a file: Qlib's (.txt: name, start, end, separated by tabs), .csv "
    "or .parquet; a frame with the columns instrument, start, end, or of days times instruments "
    "with True and False; or a function of a day that gives names, as its dotted path or as "
    "{'func': ..., 'kwargs': ...}"
)


def names_file(instruments: Any) -> bool:
    """Whether they are the path of a file."""
    return isinstance(instruments, os.PathLike) or (
        isinstance(instruments, str)
        and (Path(instruments).suffix.lower() in _FILES or os.sep in instruments)
    )


def to_names(instruments: Iterable[Any], where: str = "instruments") -> list[str]:
    """Names as texts: codes that are whole numbers become texts too.

    Args:
        instruments: Names.
        where: What they are called, for messages.

    Raises:
        DataError: They are one text, or one of them is neither a text nor a whole number.
    """
    if isinstance(instruments, (str, bytes)):
        raise DataError(
            f"{where}={instruments!r} is one text: give a list of names, such as [{instruments!r}]"
        )
    return [_to_name(name, where) for name in instruments]


def find_instrument_mistakes(instruments: Any) -> Iterator[DataError]:
    """What is wrong with the instruments of a dataset, as far as no price is needed to know it.

    Args:
        instruments: ``dataset.kwargs.instruments``.
    """
    if instruments is None or callable(instruments) or hasattr(instruments, "columns"):
        return
    if names_file(instruments):
        file = Path(instruments).expanduser()
        if not file.is_file():
            yield DataError(f"{INSTRUMENTS}: the file {str(file)!r} is not there")
    elif isinstance(instruments, Mapping):
        unknown = sorted(map(str, set(instruments) - {"func", "kwargs"}))
        if "func" not in instruments or unknown:
            yield DataError(f"{INSTRUMENTS} is {dict(instruments)!r}: write {SHAPES}")
    elif isinstance(instruments, str):
        if "." not in instruments:
            yield DataError(
                f"{INSTRUMENTS} is {instruments!r}, which is no universe: write {SHAPES}"
            )
    elif not isinstance(instruments, Iterable):
        yield DataError(f"{INSTRUMENTS} is {instruments!r}, which is no universe: write {SHAPES}")
    else:
        try:
            if not to_names(instruments, INSTRUMENTS):
                yield DataError("the universe is empty: instruments=[] selects nothing")
        except DataError as error:
            yield error


def _to_name(name: Any, where: str) -> str:
    if isinstance(name, str):
        if name:
            return name
    elif hasattr(name, "__index__") and type(name) is not bool:  # numpy's whole numbers too
        return str(int(name))
    hint = (
        "YAML reads ON, NO, TRUE and the like as truth values: write them in quotes"
        if isinstance(name, bool)
        else "names are texts; codes such as '000001' keep their zeros as texts only"
    )
    raise DataError(f"{where} holds {name!r}, which is no name: {hint}")
