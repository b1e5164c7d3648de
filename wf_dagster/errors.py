"""The errors a person can meet: each message names the value, the place and the remedy.

All are a ``WfError``; in brackets what else they can be caught as::

    WfError
    ├── SettingsError (ValueError)
    ├── MissingExtraError (ImportError)
    ├── TaskError (ValueError)
    ├── CalendarError (ValueError)
    │   └── PastCalendarError (KeyError)
    ├── RollKeyError (KeyError)
    ├── DataError (ValueError)
    ├── RecordError (ValueError)
    │   └── MissingObjectsError (FileNotFoundError)
    ├── TrackingError
    │   ├── StoreError
    │   ├── RecorderNotFoundError (LookupError, ValueError)
    │   ├── ExperimentNotFoundError (LookupError, ValueError)
    │   │   └── ExperimentDeletedError
    │   ├── OwnerError (RuntimeError)
    │   └── LoadObjectError
    │       ├── ObjectNotFoundError (LookupError)
    │       ├── BrokenObjectError
    │       └── UnsafeObjectError
    ├── TrainingError (RuntimeError)
    ├── CollectError (LookupError)
    ├── OnlineError (RuntimeError)
    └── PoolError
        ├── PoolInputError (ValueError)
        ├── PoolStoreError
        ├── LeaseError (RuntimeError)
        └── TaskNotFoundError (LookupError)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class WfError(Exception):
    """Base of every error this package raises on purpose."""


class SettingsError(WfError, ValueError):
    """A setting (``wf_dagster.init`` argument or ``WF_*`` variable) has a wrong value."""


class MissingExtraError(WfError, ImportError):
    """A package of an extra is not installed; the message holds the command that installs it."""


class TaskError(WfError, ValueError):
    """A task definition is malformed; the message holds the path of the wrong key."""


class CalendarError(WfError, ValueError):
    """A date, segment or session count does not fit the trading calendar."""


class PastCalendarError(CalendarError, KeyError):
    """A segment would start past the calendar; Qlib's generators end at such a ``KeyError``."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class RollKeyError(WfError, KeyError):
    """A partition key is not a roll of the strategy; the message names the nearest roll."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class DataError(WfError, ValueError):
    """Prices, features or labels cannot be used as they are."""


class RecordError(WfError, ValueError):
    """A record template cannot be computed from what the recorder holds."""


class MissingObjectsError(RecordError, FileNotFoundError):
    """A recorder lacks objects that a record needs or should have kept.

    It is a ``FileNotFoundError`` too, which is what Qlib's users catch.
    """


class TrackingError(WfError):
    """The tracking store cannot do what was asked."""


class StoreError(TrackingError):
    """A call to the tracking store failed.

    Attributes:
        code: MLflow's error code, such as ``RESOURCE_DOES_NOT_EXIST``.
        passes: The same call may succeed later.
    """

    code: str = ""
    passes: bool = False


class RecorderNotFoundError(TrackingError, LookupError, ValueError):
    """No recorder fits the id or name."""


class ExperimentNotFoundError(TrackingError, LookupError, ValueError):
    """No experiment fits the id or name."""


class ExperimentDeletedError(ExperimentNotFoundError):
    """The experiment was deleted; the message says how to restore it."""


class OwnerError(TrackingError, RuntimeError):
    """An experiment holds what another strategy, asset or code location has recorded."""


class LoadObjectError(TrackingError):
    """A recorder's object cannot be loaded; Qlib's error of that name too, where Qlib is imported.

    Its records and collectors catch that one.
    """


class ObjectNotFoundError(LoadObjectError, LookupError):
    """A recorder holds no object of that name."""


class BrokenObjectError(LoadObjectError):
    """A file of a recorder cannot be loaded as an object."""


class UnsafeObjectError(LoadObjectError):
    """A pickle names a global that is not on the allow list."""


class TrainingError(WfError, RuntimeError):
    """One or more tasks failed to train; the finished ones are kept.

    Attributes:
        trained: A recorder a task, in the order of the tasks; ``None`` for one that failed.
    """

    def __init__(self, message: str, trained: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.trained = list(trained)


class CollectError(WfError, LookupError):
    """There is nothing to collect."""


class OnlineError(WfError, RuntimeError):
    """The online models of a strategy cannot be brought to where they are asked to be."""


class PoolError(WfError):
    """The task pool cannot do what was asked."""


class PoolInputError(PoolError, ValueError):
    """A pool name, status, query or task that no pool can use."""


class PoolStoreError(PoolError):
    """The store of the task pool is down, refuses the login, or cannot be used."""


class LeaseError(PoolError, RuntimeError):
    """A task was never fetched, or its lease ran out and another worker holds it now."""


class TaskNotFoundError(PoolError, LookupError):
    """The pool holds no task of that id."""
