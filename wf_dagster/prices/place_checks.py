"""What is certainly wrong with where prices are said to be; no price is read.

A file that is not there may be made by an asset: it is warned of, and named when it is read.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from wf_dagster.errors import DataError, TaskError, WfError
from wf_dagster.prices.addresses import complete_address, database_file, is_address, scheme_of
from wf_dagster.prices.descriptions import SAMPLE, path_of
from wf_dagster.prices.file_listing import KINDS, kind_of
from wf_dagster.tasks.config import nearest_name
from wf_dagster.tasks.named_parts import read_part
from wf_dagster.tasks.signature_book import find_module_file
from wf_dagster.tasks.signatures import Signature, read_signature

_OF_A_CLASS = {"class", "module_path", "kwargs", "as_of"}
# what other programs call tables of numbers, and this one does not read
_OTHER_KINDS = {
    *(
        ".xlsx",
        ".xls",
        ".json",
        ".jsonl",
        ".txt",
        ".tsv",
        ".pkl",
        ".pickle",
        ".h5",
        ".hdf5",
        ".orc",
    ),
    *(".avro", ".zip", ".gz", ".zst", ".bz2", ".db", ".sqlite", ".duckdb", ".npy", ".npz", ".mat"),
}
_SUFFIXES = [suffix for suffixes in KINDS.values() for suffix in suffixes]
_log = logging.getLogger(__name__)


def find_place_mistakes(
    prices: Any, where: str, look_up: Callable[[Sequence[str]], Any]
) -> Iterator[WfError]:
    """What is certainly wrong with a description of prices.

    Args:
        prices: As a market or a dataset takes it; ``None`` says nothing.
        where: What it is called, for messages.
        look_up: Gives the signatures of dotted paths.
    """
    if isinstance(prices, Mapping) and "class" in prices:
        yield from _find_class_mistakes(prices, where, look_up)
        return
    if isinstance(prices, Mapping):
        try:
            prices = path_of(prices)
        except DataError as error:
            yield error
            return
    if not isinstance(prices, (str, os.PathLike)):
        if isinstance(prices, (int, float, list, tuple, set)):
            yield DataError(f"{where} is {prices!r}, which is no price source")
        return
    text = os.fspath(prices)
    if text == SAMPLE:
        return
    if is_address(text):
        yield from _find_address_mistakes(text, where)
    else:
        yield from _find_path_mistakes(Path(text).expanduser(), where)


def _find_class_mistakes(
    prices: Mapping[str, Any], where: str, look_up: Callable[[Sequence[str]], Any]
) -> Iterator[WfError]:
    for key in sorted(map(str, set(prices) - _OF_A_CLASS)):
        yield DataError(f"{where}: the key {key!r} is unknown{nearest_name(key, [*_OF_A_CLASS])}")
    try:
        options: dict[str, Any] = {"needs": ("load",), "noun": "a price source"}
        part = read_part(prices, where, is_complete=True, **options)
    except TaskError as error:
        yield error
        return
    if part is None:
        return
    known = read_signature(part.what) if part.path is None else look_up([part.path])[part.path]
    if isinstance(known, TaskError):
        yield TaskError(f"{part.place}: {known}")
    elif isinstance(known, Signature):
        yield from part.find_mistakes(known)


def _find_address_mistakes(address: str, where: str) -> Iterator[WfError]:
    try:
        complete_address(address)  # it may hold a password
        _ = urlsplit(address.partition("#")[0]).port
    except DataError as error:
        yield error
        return
    except ValueError as error:
        yield DataError(f"{where}={address!r} is no address: {error}")
        return
    from fsspec import available_protocols  # slow to import

    scheme, protocols = scheme_of(address), list(available_protocols())
    if scheme in protocols:
        kind_of_path = PurePosixPath(urlsplit(address).path)
        yield from _find_suffix_mistakes(kind_of_path, f"{where}={address!r}")
    elif not _is_database(scheme):
        known = [*protocols, *_dialects()]
        close = get_close_matches(scheme, known, n=1)
        hint = f"did you mean {close[0]}://?" if close else "is its package installed?"
        yield DataError(
            f"{where}={address!r}: {scheme}:// is neither a file system of fsspec's nor a database "
            f"of SQLAlchemy's; {hint}"
        )
    elif not address.partition("#")[2].strip(" ;"):
        yield DataError(
            f"{where}={address!r} names no table: write it behind #, as in "
            f"{address.partition('#')[0]}#prices"
        )
    else:
        file = database_file(address)
        if file is not None and not file.is_file():
            _log.warning("%s: the database %s is not there yet", where, file)


def _find_path_mistakes(path: Path, where: str) -> Iterator[WfError]:
    if path.is_dir():
        return
    mistakes = list(_find_suffix_mistakes(path, f"{where}={str(path)!r}", path.is_file()))
    yield from mistakes
    if not mistakes and not path.exists():
        _log.warning("%s: the price file %s is not there yet", where, path)


def _find_suffix_mistakes(
    path: PurePosixPath | Path, place: str, is_file: bool = False
) -> Iterator[WfError]:
    suffix = path.suffix.lower()
    if kind_of(path.name) is not None:
        return
    close = get_close_matches(suffix, _SUFFIXES, n=1) if suffix else []
    if close or is_file or suffix in _OTHER_KINDS:  # else it may be a folder
        hint = f"did you mean {close[0]!r}?" if close else f"use one of {', '.join(_SUFFIXES)}"
        yield DataError(f"{place}: {suffix!r} is the ending of no price file; {hint}")


def _is_database(scheme: str) -> bool:
    # SQLAlchemy itself is slow to import
    return find_module_file(f"sqlalchemy.dialects.{scheme}") is not None or scheme in _dialects()


def _dialects() -> list[str]:
    """The databases that SQLAlchemy knows, and those of packages that are installed."""
    spec = find_spec("sqlalchemy")
    places = [] if spec is None else list(spec.submodule_search_locations or ())
    folders = [f for place in places for f in (Path(place) / "dialects").glob("[a-z]*/__init__.py")]
    of_packages = entry_points(group="sqlalchemy.dialects")
    return sorted(
        {f.parent.name for f in folders} | {e.name.partition(".")[0] for e in of_packages}
    )
