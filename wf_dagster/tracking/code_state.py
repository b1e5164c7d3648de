"""The state of the code that a process runs, asked of git once."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from functools import lru_cache


@dataclass(frozen=True)
class CodeState:
    """Tags and text files that say which code made a recorder."""

    tags: dict[str, str]
    files: dict[str, str] = field(default_factory=dict)


@lru_cache(maxsize=1)
def code_state() -> CodeState:
    """Commit and command line as tags; status and differences as files, where there are any."""
    tags = {"mlflow.source.name": sys.argv[0] or "python", "mlflow.source.type": "LOCAL"}
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
        {name: text for name, text in files.items() if text},
    )


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, timeout=20, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
