"""SQLAlchemy's addresses of SQLite files: any path as an address, and back."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

_SPECIAL = frozenset("%?#")  # what an address means otherwise than a path


def sqlite_url(path: Path) -> str:
    """The address of an SQLite file.

    Args:
        path: Its absolute path, with any characters in it.
    """
    if not _SPECIAL & set(str(path)):
        return f"sqlite:///{path}"
    from sqlalchemy import URL  # slow to import

    # With the driver's name: MLflow makes the folder of a bare sqlite:/// address as it is spelled.
    url = URL.create("sqlite+pysqlite", database=str(path)).render_as_string()
    if sqlite_file(url) == path:
        return url
    # SQLAlchemy 2.0 quotes nothing and ends a path at its first question mark
    return f"sqlite+pysqlite:///file:{quote(str(path))}?uri=true"


def means_itself(path: Path) -> bool:
    """Whether a path that is put into an address as it is, as many libraries do, stays that path.

    Args:
        path: An absolute path.
    """
    return not _SPECIAL & set(str(path)) or sqlite_file(f"sqlite:///{path}") == path


def sqlite_file(url: str) -> Path | None:
    """The file behind an SQLite address, as its path is spelled there.

    Returns:
        ``None`` for other addresses, malformed ones, and where the database is in memory.
    """
    try:
        is_sqlite = urlsplit(url).scheme.split("+")[0] == "sqlite"
    except ValueError:
        return None
    if not is_sqlite:
        return None
    from sqlalchemy import make_url  # slow to import
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # whoever opens it says what is wrong with it
        return None
    name = parsed.database or ""
    if name.startswith("file:") and parsed.query.get("uri") in ("true", "1"):
        name = unquote(urlsplit(name).path)
    return Path(name) if name and name != ":memory:" else None
