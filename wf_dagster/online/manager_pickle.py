"""The state of an online manager as a pickle that refers to models by their ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cloudpickle

from wf_dagster import safe_pickle
from wf_dagster.errors import OnlineError
from wf_dagster.online.strategy import OnlineStrategy, RollingStrategy
from wf_dagster.tracking import trusted_modules

_OWN = (
    "copy.deepcopy",  # how a RollingGen copies templates
    "wf_dagster.calendars",
    "wf_dagster.collect",
    "wf_dagster.online",
    "wf_dagster.rolling",
    "wf_dagster.tasks",
    "wf_dagster.training",
)


def pickled(state: Mapping[str, Any]) -> bytes:
    """A manager's attributes as a pickle."""
    strategies = state["strategies"]
    history = [
        (day, [(strategies.index(s), _ids(s, models)) for s, models in by.items()])
        for day, by in state["history"].items()
    ]
    content: bytes = cloudpickle.dumps({**state, "history": history})
    return content


def unpickled(path: str | Path, allow: Sequence[str]) -> dict[str, Any]:
    """The attributes that a file holds.

    Raises:
        UnsafeObjectError: The file names something that may run code and is not allowed.
        OnlineError: It is no such file.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise OnlineError(f"{path} cannot be read: {error.strerror}") from None
    state = safe_pickle.loads(content, str(path), (*_OWN, *allow, *trusted_modules()))
    if not isinstance(state, dict) or "history" not in state:
        raise OnlineError(f"{path} holds no OnlineManager: write it with to_pickle")
    strategies = state["strategies"]
    history = {
        day: {strategies[n]: _models(strategies[n], ids) for n, ids in by}
        for day, by in state["history"]
    }
    return {**state, "history": history}


def _ids(strategy: OnlineStrategy, models: Sequence[Any]) -> list[Any]:
    """Recorders by their ids; what a strategy of another kind has is kept as it is."""
    if isinstance(strategy, RollingStrategy):
        return [model.id for model in models]
    return list(models)


def _models(strategy: OnlineStrategy, ids: Sequence[Any]) -> list[Any]:
    return strategy.tool.recorders(ids) if isinstance(strategy, RollingStrategy) else list(ids)
