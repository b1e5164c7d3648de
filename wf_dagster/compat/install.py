"""Imported before Qlib's modules, it has them give this project's classes.

Example:
    >>> import wf_dagster.compat.install  # doctest: +SKIP
    >>> from qlib.workflow import R  # doctest: +SKIP

``wf_dagster.compat.install.undo()`` gives Qlib's modules their own back, and ``install()`` does it
again.
"""

from __future__ import annotations

from wf_dagster.compat.name_replacement import install, undo

__all__ = ["install", "undo"]

install()
