"""Signatures read in a process of their own, so that this one does not import what they name.

Users' modules are imported there, and may define assets, which ask for signatures again: in that
process they are read without another one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence

from wf_dagster.errors import TaskError
from wf_dagster.tasks.signatures import Signature, import_signature

_SECONDS = 120
_CODE = "from wf_dagster.tasks.signature_process import answer; answer()"
_ANSWERS = "wf_dagster.tasks.signature_process.answers"  # a name that only that process has


def is_answering() -> bool:
    """Whether this is the process that reads signatures for another one."""
    return _ANSWERS in sys.modules


def ask_process(paths: Sequence[str]) -> dict[str, Signature]:
    """The signatures of dotted paths, those left out that cannot be found there.

    Args:
        paths: They are imported in another process, with the import path of this one.
    """
    if not sys.executable:
        return {}
    question = json.dumps({"path": sys.path, "wanted": list(paths)})
    try:
        result = subprocess.run(
            [sys.executable, "-c", _CODE],
            input=question.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=True,
        )
        answers = json.loads(result.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return {}  # whoever asks imports them itself, and says what is wrong
    return {path: Signature.of_plain(plain) for path, plain in answers.items()}


def answer() -> None:
    """Answer the question on stdin, on stdout."""
    sys.modules[_ANSWERS] = sys.modules[__name__]
    question = json.loads(sys.stdin.buffer.read())
    sys.path[:] = question["path"]
    with os.fdopen(os.dup(1), "w") as stdout:
        os.dup2(2, 1)  # what imports print is no answer
        answers = {}
        for path in question["wanted"]:
            try:
                answers[path] = import_signature(path).to_plain()
            except TaskError:
                continue
        json.dump(answers, stdout)
