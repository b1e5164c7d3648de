"""Whole workflows from a file of Qlib's: run once as ``qrun`` does, or rolled."""

from typing import TYPE_CHECKING

from wf_dagster.imports.lazy_names import lazy_names

if TYPE_CHECKING:
    from wf_dagster.workflows.ddgda import DDGDA as DDGDA
    from wf_dagster.workflows.qrun import workflow
    from wf_dagster.workflows.rolling import Rolling

# not all there is: DDGDA needs PyTorch, and is imported by its name
__all__ = ["Rolling", "workflow"]

# they are slow to import
__getattr__ = lazy_names(__name__, {"DDGDA": "ddgda", "Rolling": "rolling", "workflow": "qrun"})
