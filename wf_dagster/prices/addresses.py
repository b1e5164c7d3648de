"""Addresses of prices that are no path: files elsewhere, and databases.

An address goes wherever its market goes: into params, tags and pickles of each recorder. So it
holds no secret; it names the environment variable that does, and is filled when prices are read.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from wf_dagster.errors import DataError

_SCHEME = re.compile(r"[A-Za-z][\w.+-]*(?:::[A-Za-z][\w.+-]*)*://")
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_FILE_DATABASES = ("sqlite", "duckdb")


def is_address(text: str) -> bool:
    """Whether a text has a scheme such as ``s3://``; else it is a path."""
    return _SCHEME.match(text) is not None


def scheme_of(address: str) -> str:
    """``"s3"`` of ``s3://...``, ``"postgresql"`` of ``postgresql+psycopg://...``."""
    return re.split(r"[+:]", address, maxsplit=1)[0].lower()


def is_file_address(address: str) -> bool:
    """Whether fsspec knows the scheme; any other is a database's."""
    from fsspec import available_protocols  # slow to import

    return scheme_of(address) in available_protocols()


def complete_address(address: str) -> str:
    """An address that names the same prices wherever the process that reads it stands.

    Raises:
        DataError: It holds a secret.
    """
    _check_no_secret(address)
    if scheme_of(address) not in _FILE_DATABASES:
        return address
    start, path, rest = _split_file_database(address)
    if path in ("", ":memory:") or path.startswith("file:"):
        return address
    return f"{start}{Path(path).expanduser().absolute()}{rest}"


def table_address(address: Any, table: str | None, query: str | None) -> str:
    """The address of a table or a query of a database.

    Raises:
        DataError: Both are named, or the address names one itself.
    """
    if (table and query) or "#" in str(address):
        raise DataError(
            "prices: a table and a query are two sources; name one of them, by 'table', by 'query' "
            "or behind # in the address"
        )
    return f"{address}#{table or query}"


def database_file(address: str) -> Path | None:
    """The file of a SQLite or DuckDB database; ``None`` for one in memory or on a server."""
    if scheme_of(address) not in _FILE_DATABASES:
        return None
    path = _split_file_database(address)[1]
    return None if path in ("", ":memory:") or path.startswith("file:") else Path(path)


def fill_variables(address: str) -> tuple[str, list[str]]:
    """An address with what its variables ``${NAME}`` hold.

    Returns:
        The address to connect to, and the values that no message may show.

    Raises:
        DataError: A variable is not set.
    """
    values: list[str] = []

    def fill(match: re.Match[str]) -> str:
        value = os.environ.get(match[1])
        if value is None:
            raise DataError(
                f"prices={address!r} names the variable {match[1]}, which is not set: set it in "
                "the environment of each process that reads prices, workers included"
            )
        values.extend(filter(None, {value, quote(value, safe="")}))
        return quote(value, safe="")

    return _VARIABLE.sub(fill, address), values


def reason_of(error: BaseException, secrets: list[str] | None = None) -> str:
    """What a library says of a failure, in a line and without secrets."""
    from wf_dagster.tracking.redaction import MASK, redacted  # slow to import

    text = str(error).strip() or type(error).__name__
    for secret in secrets or []:
        text = text.replace(secret, MASK)
    return " ".join(redacted(text).split())[:300]


def _split_file_database(address: str) -> tuple[str, str, str]:
    """``sqlite:///``, the path, and what follows it: arguments and the table."""
    match = re.fullmatch(r"([^:]+://[^/?#]*/?)([^?#]*)(.*)", address, re.DOTALL)
    assert match is not None  # it has a scheme
    return match[1], match[2], match[3]


def _check_no_secret(address: str) -> None:
    host = re.split(r"[/?]", address.partition("://")[2], maxsplit=1)[0]
    host = re.sub(r"\[[\da-fA-F:.%]+\]", "", host)  # an address of IPv6 has colons
    # as a password may hold any character, what follows a colon is one unless it is a port
    secrets = re.findall(r":([^@]*)@", host) or re.findall(r":(?!\d*(?:#|$))(.*)", host)
    query = urlsplit(address.partition("#")[0]).query if "?" in address else ""
    if arguments := parse_qsl(query):
        from wf_dagster.tracking.redaction import is_secret_name  # slow to import

        secrets += [value for name, value in arguments if is_secret_name(name)]
    if not all(_VARIABLE.fullmatch(value) for value in secrets):
        raise DataError(
            f"the {scheme_of(address)} address of the prices holds a password, which would be "
            "recorded with each training: put it into an environment variable and write that "
            "one's name in its place, as in postgresql://user:${PRICES_PASSWORD}@host/db#table"
        )
