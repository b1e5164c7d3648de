"""Work done in a forked copy of this process, which costs no imports, and may be killed."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any


def apart(work: Callable[..., Any], *arguments: Any, kill_after: float | None = None) -> bool:
    """Do work in a process of its own; whether it ended well.

    Args:
        work: What is done.
        *arguments: Its arguments.
        kill_after: Seconds after which the process is killed, if it has not ended.
    """
    pid = begin(work, *arguments)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if os.WIFEXITED(status):
        assert os.WEXITSTATUS(status) == 0, "the process failed, see its message"
        return True
    assert os.WTERMSIG(status) == signal.SIGKILL
    return False


def begin(work: Callable[..., Any], *arguments: Any) -> int:
    """Begin work in a process of its own; its id."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work(*arguments)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)
