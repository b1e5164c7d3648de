"""A script of Qlib's, with the import lines of each way to run it here."""

from __future__ import annotations

import re
from enum import Enum
from importlib.util import find_spec
from pathlib import Path

from wf_dagster import _WHERE as ROOT_NAMES

SCRIPTS = Path(__file__).parent / "scripts"
RECORD_TEMP = "qlib.workflow.record_temp"
IMPORT = re.compile(r"^from (qlib(?:\.\w+)*) import ([\w, ]+)$", re.MULTILINE)
OTHER_HOMES = {"Rolling": "wf_dagster.workflows"}


class Way(Enum):
    """Which import lines a script has."""

    QLIB = "qlib"  # its own
    PUBLIC = "public"  # names of wf_dagster where it has them, records too
    QLIB_RECORDS = "qlib_records"  # the same, the records are Qlib's
    MIRROR = "mirror"  # Qlib's module paths under wf_dagster.compat
    INSTALL = "install"  # its own, below one line more


def script_text(script: str, way: Way) -> str:
    """The text of a script, changed only where it imports."""
    text = (SCRIPTS / script).read_text()
    if way is Way.QLIB or not script.endswith(".py"):
        return text
    if way is Way.INSTALL:
        return f"import wf_dagster.compat.install\n{text}"
    return IMPORT.sub(lambda match: _import_lines(match[1], match[2], way), text)


def _import_lines(module: str, names: str, way: Way) -> str:
    if way is Way.MIRROR:
        mirror = f"wf_dagster.compat.{module}"
        return f"from {mirror if _exists(mirror) else module} import {names}"
    if module == RECORD_TEMP and way is Way.QLIB_RECORDS:
        return f"from {module} import {names}"
    return "\n".join(
        f"from {_public_home(name.strip()) or module} import {name.strip()}"
        for name in names.split(",")
    )


def _public_home(name: str) -> str | None:
    return "wf_dagster" if name in ROOT_NAMES else OTHER_HOMES.get(name)


def _exists(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
