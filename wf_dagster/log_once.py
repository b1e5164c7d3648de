"""Warnings that are logged once a process, however often what they are about is computed."""

from __future__ import annotations

import logging
from functools import lru_cache


@lru_cache(maxsize=4096)
def warn_once(logger: logging.Logger, text: str) -> None:
    """Log a warning, unless this process has logged it already.

    Args:
        logger: That of the module that says it.
        text: All of it: another number is another warning.
    """
    logger.warning("%s", text)
