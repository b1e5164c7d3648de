"""Records, ours and Qlib's, made with what they ask for."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wf_dagster.qlib_bridge import is_qlib
from wf_dagster.tasks import init_instance
from wf_dagster.tasks.config import find_class

if TYPE_CHECKING:
    from wf_dagster.tracking import Recorder


def make_record(
    config: Any, recorder: Recorder, model: Any = None, dataset: Any = None, where: str = "record"
) -> Any:
    """The record of a configuration.

    Args:
        config: Its placeholders are filled.
        recorder: Where it keeps its results.
        model: Goes to a parameter ``model`` that the configuration does not give.
        dataset: The same, for ``dataset``.
        where: Path of the configuration in the task, for messages.
    """
    if not isinstance(config, (str, Mapping)):
        return config
    kind = find_class(config, where=where)
    given: Any = recorder
    if is_qlib(kind):
        from wf_dagster.qlib_bridge.recorders import bridged

        given = bridged(recorder)
    named = inspect.signature(kind).parameters
    offered = {"model": model, "dataset": dataset}
    asked = {n: value for n, value in offered.items() if n in named and value is not None}
    return init_instance(config, where=where, recorder=given, **asked)
