"""The state of an online manager as a pickle that refers to models by their ids."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cloudpickle

from wf_dagster import safe_pickle
from wf_dagster.collect.collector_files import OWN_MODULES
from wf_dagster.errors import OnlineError
from wf_dagster.online.signal_publisher import SignalPublisher
from wf_dagster.online.strategy_group import StrategyGroup
from wf_dagster.tracking import trusted_modules

_log = logging.getLogger(__name__)
_OF_QLIB = b"qlib.workflow.online.manager"  # how a pickle of Qlib's names the class
_OWN = (*OWN_MODULES, "wf_dagster.training")


def pickle_state(state: Mapping[str, Any]) -> bytes:
    """A manager's state as a pickle.

    Args:
        state: Its attributes.
    """
    attributes = dict(state)
    del attributes["_group"]
    publisher = attributes.pop("_publisher")
    strategies = state["strategies"]
    history = [
        (session, [(strategies.index(s), s.models_to_ids(models)) for s, models in served.items()])
        for session, served in state["history"].items()
    ]
    content: bytes = cloudpickle.dumps(
        {**attributes, "history": history, "name": publisher.name, "signals": publisher.signals}
    )
    return content


def write_state(path: str | Path, state: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Write a manager's state to a file; Qlib's options about what is left out do nothing.

    Args:
        path: The file.
        state: The manager's attributes.
        options: What Qlib's ``to_pickle`` takes; named in the log.
    """
    if options:
        _log.warning("%s: %s ignored: all that the manager needs is kept", path, ", ".join(options))
    Path(path).write_bytes(pickle_state(state))


def unpickle_state(path: str | Path, allow: Sequence[str]) -> dict[str, Any]:
    """The state that a file holds, as attributes of a manager.

    Raises:
        UnsafeObjectError: The file names something that may run code and is not allowed.
        OnlineError: It is no such file.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise OnlineError(f"{path} cannot be read: {error.strerror}") from None
    if _OF_QLIB in content:
        raise OnlineError(
            f"{path} holds an OnlineManager of Qlib's own: go on with it in plain Qlib, or make "
            "one here of the same strategies and call first_train"
        )
    state = safe_pickle.loads(content, str(path), (*_OWN, *allow, *trusted_modules()))
    if not isinstance(state, dict) or "history" not in state:
        raise OnlineError(f"{path} holds no OnlineManager: write it with to_pickle")
    strategies = state["strategies"]
    history = {
        session: {strategies[n]: strategies[n].ids_to_models(ids) for n, ids in served}
        for session, served in state["history"]
    }
    name, signals = state.pop("name"), state.pop("signals")
    return {
        **state,
        "history": history,
        "_group": StrategyGroup(strategies, history),
        "_publisher": SignalPublisher(strategies, name, signals),
    }
