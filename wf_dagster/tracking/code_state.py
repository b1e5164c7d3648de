"""The state of the code that a process runs, asked of git once."""

from __future__ import annotations

import getpass
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from wf_dagster.tracking.redaction import is_secret_name, redacted, redacted_command

COMMAND_TAG = "cmd-sys.argv"
MOST_CHARACTERS = 2_000_000
_ENVIRONMENT = (
    "CONDA_DEFAULT_ENV",
    "CUDA_VISIBLE_DEVICES",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "PYTHONHASHSEED",
    "TZ",
    "VIRTUAL_ENV",
)


@dataclass(frozen=True)
class CodeState:
    """Tags and text files that say which code made a recorder."""

    tags: dict[str, str]
    files: dict[str, str] = field(default_factory=dict)


@lru_cache(maxsize=1)
def code_state() -> CodeState:
    """Commit and command line as tags; status and differences as files, where there are any.

    What looks like a secret is masked.
    """
    tags = {
        "mlflow.source.name": redacted(sys.argv[0]) or "python",
        "mlflow.source.type": "LOCAL",
        COMMAND_TAG: redacted_command(sys.argv),
    }
    if user := _user():
        tags["mlflow.user"] = user
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return CodeState(tags)
    files = {
        "code_status.txt": _git("status", "--porcelain"),
        "code_diff.txt": _git("diff"),
        "code_cached.txt": _git("diff", "--cached"),
    }
    return CodeState(
        {**tags, "mlflow.source.git.commit": commit.strip()},
        {name: _cut(redacted(text)) for name, text in files.items() if text},
    )


def command_params() -> dict[str, str]:
    """The params that Qlib logs of the process that starts a recorder: command line, variables.

    What looks like a secret is masked.
    """
    variables = {
        name: redacted(value)
        for name, value in os.environ.items()
        if name.startswith("_QLIB_") and not is_secret_name(name)
    }
    return {COMMAND_TAG: code_state().tags[COMMAND_TAG], **variables}


def environment_tags(further: Sequence[str] = ()) -> dict[str, str]:
    """The environment variables that may be recorded, as tags.

    Args:
        further: Names beside the fixed few.
    """
    return {
        f"env.{name}": redacted(os.environ[name])
        for name in (*_ENVIRONMENT, *further)
        if name in os.environ and not is_secret_name(name)
    }


def _cut(text: str) -> str:
    if len(text) <= MOST_CHARACTERS:
        return text
    return f"{text[:MOST_CHARACTERS]}\n... cut, {len(text) - MOST_CHARACTERS} characters left out\n"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        return ""


def _git(*arguments: str) -> str | None:
    try:
        result = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, timeout=20, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout if result.returncode == 0 else None
