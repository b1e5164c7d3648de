"""Which files hold prices: on a path or an address, of one kind, and what they contain by now."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from wf_dagster.errors import DataError
from wf_dagster.extras import extra_of, pip_command
from wf_dagster.log_once import warn_once
from wf_dagster.prices.addresses import fill_variables, reason_of

_log = logging.getLogger(__name__)
_NAMED = 3

KINDS = {
    "parquet": (".parquet",),
    "csv": (".csv", ".csv.gz", ".csv.zst"),
    "feather": (".feather", ".arrow", ".ipc"),
}
# what the file systems of fsspec call that which changes with a file
_STATES = (
    *("ETag", "etag", "Content-MD5", "Digest", "Last-Modified", "LastModified", "last_modified"),
    *("md5Hash", "md5", "content_md5", "crc32c", "checksum", "generation", "version_id"),
    *("updated", "modified", "mtime", "created"),
)


@dataclass(frozen=True)
class PriceFiles:
    """The files of a source.

    Attributes:
        root: The folder or file, as messages name it.
        names: Paths below the root, sorted; the file's own name where the root is a file.
        paths: The same for ``filesystem``.
        filesystem: One of fsspec's; ``None`` for this machine.
        is_folder: Whether the root is a folder.
        states: What changes with each file: for files elsewhere.
        secrets: Values that no message may show.
    """

    root: str
    names: tuple[str, ...]
    paths: tuple[str, ...]
    filesystem: Any
    is_folder: bool
    states: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()

    def place(self, number: int) -> str:
        """Where a file is, as messages name it."""
        return f"{self.root.rstrip('/')}/{self.names[number]}" if self.is_folder else self.root

    def content(self) -> str:
        """Identifies what the files hold: of files here the bytes, else what is said of them."""
        states = self.states or tuple(map(_digest_here, self.paths))
        parts = [f"{name}:{state}" for name, state in zip(self.names, states, strict=True)]
        return hashlib.blake2b("|".join(parts).encode(), digest_size=16).hexdigest()


def kind_of(name: str) -> str | None:
    """The kind of a file by its name; ``None`` if it is no price file."""
    name = name.lower()
    return next((kind for kind, suffixes in KINDS.items() if name.endswith(suffixes)), None)


def stem_of(name: str) -> str:
    """The name of a price file without folders and suffix: an instrument, where files are named so.

    Example:
        >>> stem_of("us/BRK.B.csv.gz")
        'BRK.B'
    """
    name = PurePosixPath(name).name
    suffix = max((s for kind in KINDS.values() for s in kind if name.lower().endswith(s)), key=len)
    return name[: -len(suffix)]


def list_here(path: Path) -> PriceFiles:
    """The price files on a path.

    Raises:
        DataError: There are none, of several kinds, or they cannot be listed.
    """
    if path.is_dir():
        below = {
            file.relative_to(path).as_posix(): str(file)
            for file in path.rglob("*")
            if file.is_file()
        }
        names = _select(str(path), list(below))
        return PriceFiles(str(path), names, tuple(below[n] for n in names), None, True)
    if not path.is_file():
        raise DataError(
            f"the price file {path} does not exist: give its path with "
            "wf_dagster.init(prices=...), Market(prices=...) or WF_PRICES"
        )
    return PriceFiles(str(path), (path.name,), (str(path),), None, False)


def list_elsewhere(address: str) -> PriceFiles:
    """The price files at an address of fsspec's.

    Raises:
        DataError: The file system is not installed or cannot be reached, or as for
            :func:`list_here`.
    """
    import fsspec  # slow to import

    full, secrets = fill_variables(address)
    try:
        filesystem, path = fsspec.url_to_fs(full)
        filesystem.invalidate_cache()  # what it remembers of a folder
        info = filesystem.info(path)
        is_folder = info["type"] == "directory"
        entries = filesystem.find(path, detail=True) if is_folder else {path: info}
    except ImportError as error:
        raise DataError(
            f"prices={address!r} cannot be read: {reason_of(error)} ({_remedy(error)})"
        ) from None
    except Exception as error:  # each file system has errors of its own
        cause = error.__cause__ or error
        refused = getattr(cause, "status", 404) != 404  # which fsspec calls not found too
        if isinstance(error, FileNotFoundError) and not refused and not _is_broken(cause):
            raise DataError(
                f"prices={address!r}: there is no such file or folder; check the address"
            ) from None
        raise DataError(
            f"prices={address!r} cannot be read: {reason_of(cause, secrets)}; check the address, "
            "and the credentials that its file system finds in the environment"
        ) from None
    start = path.rstrip("/") + "/"
    below = {(key.removeprefix(start) if is_folder else key): key for key in entries}
    names = _select(address, list(below)) if is_folder else tuple(below)
    paths = tuple(below[name] for name in names)
    states = tuple(_state(filesystem, file, entries[file]) for file in paths)
    return PriceFiles(address, names, paths, filesystem, is_folder, states, tuple(secrets))


def _is_broken(cause: BaseException) -> bool:
    """Whether a server was not reached."""
    return isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError)


def _remedy(error: ImportError) -> str:
    cause = error.__cause__ if isinstance(error.__cause__, ImportError) else error
    extra = extra_of(cause.name)
    return pip_command(extra) if extra else "install it with pip"


def _select(root: str, names: list[str]) -> tuple[str, ...]:
    """The price files of a folder; what is hidden or a mark (``_SUCCESS``) is none."""
    visible_names = sorted(
        n for n in names if not any(p[0] in "._" for p in PurePosixPath(n).parts)
    )
    kinds: dict[str | None, list[str]] = {}
    for name in visible_names:
        kinds.setdefault(kind_of(name), []).append(name)
    others = kinds.pop(None, [])
    if not kinds:
        suffixes = ", ".join(suffix for kind in KINDS.values() for suffix in kind)
        raise DataError(f"the folder {root} holds no price file ({suffixes})")
    if len(kinds) > 1:
        examples = " and ".join(files[0] for files in kinds.values())
        raise DataError(
            f"the folder {root} holds files of several kinds, such as {examples}: keep those of "
            "one kind there"
        )
    if others:
        more = ", ..." if len(others) > _NAMED else ""
        warn_once(
            _log,
            f"the folder {root} holds {len(others)} files that are no price files and are left "
            f"out: {', '.join(others[:_NAMED])}{more}",
        )
    return tuple(next(iter(kinds.values())))


def _state(filesystem: Any, path: str, info: dict[str, Any]) -> str:
    states = [f"{name}={info[name]}" for name in _STATES if info.get(name) is not None]
    if states:
        return f"{info.get('size')},{','.join(states)}"
    with filesystem.open(path) as file:  # nothing else tells that it has changed
        return _digest(file.read)


def _digest(read: Callable[[int], bytes]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    while block := read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def _digest_here(path: str) -> str:
    try:
        stat = Path(path).stat()
        return _digest_once(path, (stat.st_ino, stat.st_ctime_ns, stat.st_mtime_ns, stat.st_size))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None


@lru_cache(maxsize=1 << 16)
def _digest_once(path: str, _state: tuple[int, ...]) -> str:
    with Path(path).open("rb") as file:
        return _digest(file.read)
