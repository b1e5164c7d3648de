"""Descriptions of prices: what they name, and what can be told of that without reading it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from numbers import Real
from pathlib import Path
from typing import Any

from wf_dagster.errors import DataError
from wf_dagster.prices.addresses import database_file, is_address, table_address

SAMPLE = "sample"
_KEYS = {"path", "table", "query", "as_of", "min_coverage"}


def path_of(description: Mapping[str, Any]) -> Any:
    """The path, or the address with its table or query, of a description.

    Raises:
        DataError: A key is unknown or missing.
    """
    if unknown := set(description) - _KEYS or {"path"} - set(description):
        raise DataError(
            f"prices: the key {min(map(str, unknown))!r} is unknown or missing; write {{'path': "
            "..., 'as_of': ...}, with a 'table' or a 'query' where the path is a database's"
        )
    if description.get("table") or description.get("query"):
        return table_address(
            description["path"], description.get("table"), description.get("query")
        )
    return description["path"]


def check_coverage(share: Any) -> float:
    """A share of instruments.

    Raises:
        DataError: It is no number above 0 and up to 1.
    """
    if isinstance(share, bool) or not isinstance(share, Real) or not 0 < float(share) <= 1:
        raise DataError(
            f"min_coverage={share!r} is no share of the instruments: use a number above 0 and up "
            "to 1, such as 0.5"
        )
    return float(share)


def files_state(prices: Any) -> str:
    """Changes with the files on a path; empty where there are none on this machine.

    Nothing is opened: size and time of each file count.

    Args:
        prices: A path, an address, or a description with one of them.
    """
    place = prices.get("path") if isinstance(prices, Mapping) else prices
    if not isinstance(place, str):
        return ""
    path = database_file(place.partition("#")[0]) if is_address(place) else Path(place)
    if path is None:
        return ""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    digest = hashlib.blake2b(digest_size=12)
    try:
        for file in files:
            stat = file.stat()
            digest.update(f"{file.name} {stat.st_mtime_ns} {stat.st_size}\n".encode())
    except OSError:
        return ""
    return digest.hexdigest()
