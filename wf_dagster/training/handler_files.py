"""Tasks whose data handler is computed once and read from a file afterwards."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from wf_dagster.data.adapters import adapter_of
from wf_dagster.errors import TaskError
from wf_dagster.market import Market
from wf_dagster.tasks import fingerprint, init_instance

_PLACE = "dataset.kwargs.handler"


def replace_task_handler_with_cache(
    task: Mapping[str, Any], cache_dir: str | Path = "."
) -> dict[str, Any]:
    """The task with its handler in a file, which is written where it is not there yet.

    Rolls share the raw data of their handlers without it, in tables that notice changed prices and
    code (see ``docs/qlib.md``); such a file does not. It serves code that takes handlers as files.

    Args:
        task: A task whose dataset has a data handler.
        cache_dir: Folder of the files, which are named by the handler's class and definition.

    Returns:
        A copy of the task, its handler ``"file://"`` and the path; one whose handler is no
        configuration stays as it is.

    Raises:
        TaskError: The dataset has no handler, or one that cannot be made or written to a file.
    """
    changed: dict[str, Any] = copy.deepcopy(dict(task))
    try:
        handler = changed["dataset"]["kwargs"]["handler"]
    except (KeyError, TypeError):
        raise TaskError(f"{_PLACE} is missing: only a data handler is kept in a file") from None
    if not isinstance(handler, Mapping):
        return changed
    name = str(handler["class"]).rpartition(".")[2]
    file = Path(cache_dir).absolute() / f"{name}.{fingerprint(handler)[:10]}.pkl"
    if not file.exists():
        adapter_of(changed, Market()).prepare()
        _write_handler(handler, file)
    changed["dataset"]["kwargs"]["handler"] = f"file://{file}"
    return changed


def _write_handler(config: Mapping[str, Any], file: Path) -> None:
    handler = init_instance(config, where=_PLACE)
    if not hasattr(handler, "to_pickle"):
        raise TaskError(f"{_PLACE}: {type(handler).__name__} has no to_pickle: it cannot be a file")
    file.parent.mkdir(parents=True, exist_ok=True)
    # whole, or not at all: another process may look for it meanwhile
    with TemporaryDirectory(dir=file.parent, prefix=".") as folder:
        handler.to_pickle(Path(folder) / file.name, dump_all=True)
        os.replace(Path(folder) / file.name, file)  # noqa: PTH105
