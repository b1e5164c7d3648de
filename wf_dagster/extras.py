"""What a bare install leaves out: which extra brings which module, and the message without it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import NoReturn

from wf_dagster.errors import MissingExtraError, WfError

# the extras of pyproject.toml, and the modules by which each is known to be installed
EXTRAS: dict[str, tuple[str, ...]] = {
    "duckdb": ("duckdb", "duckdb_engine"),
    "lightgbm": ("lightgbm",),
    "mongo": ("pymongo", "bson"),
    "plots": ("matplotlib",),
    "polars": ("polars",),
    "portfolio": ("empyrical", "matplotlib"),
    "postgres": ("psycopg", "psycopg2"),
    "qlib": ("qlib", "ruamel", "fire"),
    "s3": ("s3fs", "boto3", "botocore"),
    "sample": ("skfolio",),
    "ui": ("dagster_webserver", "flask"),  # of MLflow's page; mlflow itself comes with the slim one
}


def pip_command(extra: str) -> str:
    """The command that installs an extra, as every shell takes it."""
    return f'pip install "wf-dagster[{extra}]"'


def extra_of(module: str | None) -> str | None:
    """The extra that brings a module; ``None`` for one that is no extra's."""
    top = (module or "").partition(".")[0]
    return next((extra for extra, modules in EXTRAS.items() if top in modules), None)


def has_extra(extra: str) -> bool:
    """Whether all modules of an extra are installed; none is imported."""
    return _find_missing(extra) is None


def require_extra(extra: str, user: str, error: type[WfError] = MissingExtraError) -> None:
    """Say that an extra is missing before anything is done with it; nothing is imported.

    Args:
        extra: Its name.
        user: What needs it, for the message.
        error: The class of the error, where a caller expects another.

    Raises:
        MissingExtraError: It is not installed; or ``error``.
    """
    missing = _find_missing(extra)
    if missing is not None:
        _refuse(extra, user, missing, error)


@contextmanager
def optional_import(
    extra: str, user: str, error: type[WfError] = MissingExtraError
) -> Iterator[None]:
    """Around an import of modules that an extra brings.

    Args:
        extra: Its name.
        user: What needs it, for the message.
        error: The class of the error, where a caller expects another.

    Raises:
        MissingExtraError: One of its modules is not installed; or ``error``.

    Example:
        >>> with optional_import("lightgbm", "LightGBMModel"):
        ...     import lightgbm
    """
    try:
        yield
    except ModuleNotFoundError as failure:
        if (failure.name or "").partition(".")[0] not in EXTRAS[extra]:
            raise
        _refuse(extra, user, failure.name or "", error)


def _find_missing(extra: str) -> str | None:
    return next((module for module in EXTRAS[extra] if find_spec(module) is None), None)


def _refuse(extra: str, user: str, module: str, error: type[WfError]) -> NoReturn:
    raise error(
        f"{user} needs {module.partition('.')[0]}, which is not installed: {pip_command(extra)}"
    ) from None
