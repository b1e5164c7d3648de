"""Whether something is Qlib's, by its name or by its class."""

from __future__ import annotations

from typing import Any

from wf_dagster.extras import require_extra
from wf_dagster.imports.own_names import own_name
from wf_dagster.tasks import modules_named

RECORDS = "qlib.workflow.record_temp"
_OWN_RECORDS = "wf_dagster.records.record_template"


def names_qlib(task: Any) -> bool:
    """Whether a task, or a part of one, names something of Qlib's; nothing is imported."""
    return any(map(_is_in_qlib, modules_named(task)))


def is_qlib(kind: Any) -> bool:
    """Whether a class is one of Qlib's, or derived from one.

    A record of this project's is none, though Qlib takes it for one of its own.
    """
    modules = [base.__module__ for base in kind.__mro__] if isinstance(kind, type) else []
    return _OWN_RECORDS not in modules and any(map(_is_in_qlib, modules))


def find_qlib_record(name: str) -> Any:
    """One of Qlib's record classes.

    Raises:
        MissingExtraError: pyqlib is not installed.
    """
    require_extra("qlib", f"{RECORDS}.{name}")
    return own_name(RECORDS, name)


def _is_in_qlib(module: str) -> bool:
    return module.partition(".")[0] == "qlib"
