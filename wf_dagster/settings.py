"""The settings: one typed object, filled from ``wf_dagster.init`` or ``WF_*`` variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from wf_dagster.errors import SettingsError
from wf_dagster.sqlite_urls import sqlite_url

_TRACKING_SCHEMES = {
    "sqlite",
    "postgresql",
    "mysql",
    "mssql",
    "http",
    "https",
    "databricks",
    "file",
}
MIN_COVERAGE = 0.5  # of the instruments, on the last session
_TASK_STORE_SCHEMES = {"mongodb", "mongodb+srv", "sqlite", "postgresql"}


class Settings(BaseSettings):
    """Where things are kept and what is read.

    Every field can be given to :func:`wf_dagster.init` or as an environment variable with
    the prefix ``WF_`` (``WF_HOME``, ``WF_TRACKING_URI``, ...). An argument of ``init`` wins
    over a variable.

    Attributes:
        home: Folder of the default stores (MLflow database, artifacts, caches).
        tracking_uri: MLflow tracking URI; default what ``qlib.init(exp_manager=...)`` was given,
            else a SQLite file in ``home``.
        artifact_location: Where new experiments put their artifacts; default ``home/artifacts``
            for a database URI, the server's own place for an HTTP URI.
        task_store: URL of the task pool; default what ``qlib.init(mongo=...)`` was given, else a
            SQLite file in ``home``.
        prices: ``"sample"``, ``"qlib"`` for Qlib's data (``"qlib:30min"`` for bars), the path of a
            price file or of a folder of them, or the address of one or of a table of a database.
        as_of: Replay date; rows after it are hidden.
        replay_clock: A file that holds a replay date, which may move on while processes run;
            default the file ``replay_clock`` in ``home``, if there is one.
        calendar: Name of an exchange (``"XNYS"``), ``"prices"`` for the sessions of the prices
            themselves, or ``"qlib"`` for Qlib's calendar; default the sessions of the prices,
            ``"XNYS"`` for the sample, ``"qlib"`` for Qlib's data and where Qlib is in use.
        min_coverage: Share of the instruments (above 0, up to 1) that must have a close on the last
            session, of those that had one on any of the five sessions before; with fewer the day
            is not there yet.
        max_workers: Worker processes of a backfill; default one a core, fewer where rolls are so
            large that those in work would hold more than one copy of the features.
        trusted_modules: Further modules (comma separated in the variable) whose classes may
            be loaded from a recorder's pickles.
        tracking_patience: Seconds for which a tracking store that fails is asked again before
            the failure is an error.
        qlib_provider_uri: Folder of Qlib's data; default that of Qlib.
        qlib_region: Qlib's region: ``"cn"``, ``"us"`` or ``"tw"``.
        qlib_options: Further arguments of ``qlib.init`` (JSON in the variable).
        log_env: Further environment variables (comma separated) that recorders record as tags.
    """

    model_config = SettingsConfigDict(
        env_prefix="WF_", extra="forbid", frozen=True, validate_default=True
    )

    home: Path = Field(default_factory=lambda: Path.home() / ".wf_dagster")
    tracking_uri: str = ""
    artifact_location: str = ""
    task_store: str = ""
    prices: str = "sample"
    as_of: str = ""
    replay_clock: Path | None = None
    calendar: str = ""
    min_coverage: float = Field(default=MIN_COVERAGE, gt=0, le=1)
    max_workers: int = Field(default_factory=lambda: _cores(), ge=1)
    trusted_modules: str = ""
    tracking_patience: float = Field(default=60.0, ge=0)
    qlib_provider_uri: str = ""
    qlib_region: str = ""
    qlib_options: dict[str, Any] = Field(default_factory=dict)
    log_env: str = ""

    @field_validator("home", "replay_clock")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()

    @field_validator("prices", "as_of", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        """A path and a date may be given as such."""
        if isinstance(value, date):
            return value.isoformat().removesuffix("T00:00:00")
        return os.fspath(value) if isinstance(value, os.PathLike) else value

    @field_validator("tracking_uri")
    @classmethod
    def _known_tracking(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and parts.scheme in ("", "file") and not parts.netloc:  # a folder, of Qlib's say
            return Path(url2pathname(parts.path)).expanduser().absolute().as_uri()
        return _check_scheme(value, _TRACKING_SCHEMES, "sqlite:////path/to/mlflow.db")

    @field_validator("task_store")
    @classmethod
    def _known_store(cls, value: str) -> str:
        return _check_scheme(value, _TASK_STORE_SCHEMES, "sqlite:////path/to/tasks.db")

    @field_validator("qlib_region")
    @classmethod
    def _known_region(cls, value: str) -> str:
        if value not in ("", "cn", "us", "tw"):
            raise ValueError("use 'cn', 'us' or 'tw'")
        return value

    @field_validator("as_of")
    @classmethod
    def _a_date(cls, value: str) -> str:
        if value and not _is_date(value):
            raise ValueError("use an ISO date such as 2022-06-30")
        return value

    def replay_date(self) -> str:
        """The date after which prices are hidden, an ISO date; empty when nothing is hidden.

        It is ``as_of`` or what the replay clock shows, the earlier of the two.

        Raises:
            SettingsError: The clock cannot be read, or shows no date.
        """
        dates = [self.as_of, read_clock(self.clock_file()) if self.is_replaying() else ""]
        return min(filter(None, dates), default="")

    def clock_file(self) -> Path:
        """Where the replay clock is, or would be."""
        return self.replay_clock or self.home / "replay_clock"

    def is_replaying(self) -> bool:
        """Whether a replay clock hides later prices."""
        return self.replay_clock is not None or self.clock_file().exists()

    def resolved_tracking_uri(self) -> str:
        """The MLflow URI in use: the setting, or the SQLite file in ``home``."""
        return self.tracking_uri or sqlite_url(self.home / "mlflow.db")

    def resolved_artifact_location(self) -> str | None:
        """Where new experiments keep artifacts; ``None`` leaves it to the server, or the folder."""
        if self.artifact_location:
            return self.artifact_location
        if urlsplit(self.resolved_tracking_uri()).scheme in {"http", "https", "databricks", "file"}:
            return None
        return (self.home / "artifacts").as_uri()

    def resolved_task_store(self) -> str:
        """The task pool's URL in use: the setting, Qlib's ``mongo``, or the file in ``home``."""
        mongo = _mongo_url(self.qlib_options.get("mongo"))
        return self.task_store or mongo or sqlite_url(self.home / "tasks.db")

    def list_trusted_modules(self) -> list[str]:
        """The modules that ``trusted_modules`` names."""
        return self.trusted_modules.replace(",", " ").split()

    def make_home(self) -> Path:
        """Create ``home`` and prove that it can be written.

        Raises:
            SettingsError: The folder cannot be created or written.
        """
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            if not os.access(self.home, os.W_OK | os.X_OK):
                raise PermissionError("permission denied")
        except OSError as error:
            raise SettingsError(
                f"home={str(self.home)!r} cannot be written ({error.strerror or error}): give a "
                "folder you may write with wf_dagster.init(home=...) or WF_HOME"
            ) from error
        return self.home


def _mongo_url(mongo: Any) -> str:
    """The address of a task pool that ``qlib.init`` takes in two parts."""
    if not mongo:
        return ""
    try:
        parts = urlsplit(mongo["task_url"])
        name = quote(mongo["task_db_name"], safe="")
    except (AttributeError, KeyError, TypeError) as error:
        raise SettingsError(
            "qlib.init(mongo=...) needs a task_url and a task_db_name: give both, or set the task "
            "pool with wf_dagster.init(task_store=...) or WF_TASK_STORE"
        ) from error
    # without its database in the address, a login is looked up there
    login = parts.path.strip("/")
    source = f"authSource={login}" if login and "authSource=" not in parts.query else ""
    query = "&".join(filter(None, (parts.query, source)))
    return str(parts._replace(path=f"/{name}", query=query).geturl())


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def read_clock(clock: Path) -> str:
    """The date that a replay clock shows, an ISO date.

    Raises:
        SettingsError: It cannot be read, or shows no date.
    """
    try:
        text = clock.read_text().strip()
    except OSError as error:
        raise SettingsError(
            f"replay_clock (WF_REPLAY_CLOCK) = {str(clock)!r} cannot be read: {error.strerror}; "
            "write an ISO date such as 2022-06-30 into it"
        ) from None
    if not _is_date(text):
        raise SettingsError(
            f"replay_clock (WF_REPLAY_CLOCK) = {str(clock)!r} shows {text!r}: write an ISO date "
            "such as 2022-06-30 into it"
        )
    return text


def _cores() -> int:
    # a container's or taskset's share, not the whole machine
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _check_scheme(value: str, schemes: set[str], example: str) -> str:
    if not value:
        return value
    scheme = urlsplit(value).scheme.split("+srv")[0].split("+")[0]
    if scheme not in {name.split("+")[0] for name in schemes}:
        raise ValueError(f"unknown kind of address; use one like {example}")
    return value


_current: Settings | None = None


def init(**values: Any) -> Settings:
    """Set the settings of this process and of the worker processes it starts.

    Args:
        **values: Fields of :class:`Settings`; what is not given comes from its ``WF_*``
            variable, then from the default.

    Returns:
        The settings now in force.

    Raises:
        SettingsError: A name is unknown or a value is wrong; nothing is changed.

    Example:
        >>> import wf_dagster, tempfile
        >>> settings = wf_dagster.init(home=tempfile.mkdtemp())
        >>> settings.prices
        'sample'
    """
    global _current
    _current = _build({name: value for name, value in values.items() if value is not None})
    return _current


def get_settings() -> Settings:
    """The settings in force; read from the environment when ``init`` was not called."""
    global _current
    if _current is None:
        _current = _build({})
    return _current


def update_settings(**values: Any) -> Settings:
    """Change some settings of this process; the others stay as they were chosen, or were not.

    Raises:
        SettingsError: A value is invalid.
    """
    settings = get_settings()
    chosen = {name: getattr(settings, name) for name in settings.model_fields_set}
    return init(**{**chosen, **values})


@dataclass(frozen=True)
class WorkerLimit:
    """How many worker processes may run.

    Attributes:
        count: The most.
        is_chosen: Whether somebody chose that number; else it is one a core.
    """

    count: int
    is_chosen: bool


def worker_limit(max_workers: int | None = None) -> WorkerLimit:
    """The worker processes that an argument allows, or else the setting ``max_workers``."""
    if max_workers is not None:
        return WorkerLimit(max_workers, True)
    settings = get_settings()
    return WorkerLimit(settings.max_workers, "max_workers" in settings.model_fields_set)


def snapshot() -> dict[str, Any]:
    """The settings as plain values, to hand to a worker process (see :func:`restore`)."""
    return get_settings().model_dump(mode="json")


def restore(values: Mapping[str, Any]) -> Settings:
    """Take over the settings of the parent process."""
    return init(**values)


def _build(values: Mapping[str, Any]) -> Settings:
    try:
        return Settings(**values)
    except ValidationError as error:
        lines = []
        for item in error.errors():
            name = ".".join(str(part) for part in item["loc"])
            if item["type"] == "extra_forbidden":
                names = ", ".join(Settings.model_fields)
                lines.append(f"{name}: no such setting; the settings are {names}")
            else:
                message = item["msg"].removeprefix("Value error, ")
                lines.append(f"{name} (WF_{name.upper()}) = {item['input']!r}: {message}")
        raise SettingsError("; ".join(lines)) from None
