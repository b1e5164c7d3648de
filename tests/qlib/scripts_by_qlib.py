"""What the scripts of ``examples/qlib`` leave when they import from Qlib; in a process of its own.

``python -m tests.qlib.scripts_by_qlib FOLDER`` reads the provider ``FOLDER/whole`` and writes
``FOLDER/answers.pkl``.
"""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import runpy
import sys
from pathlib import Path
from typing import Any

from tests.qlib.scripts import (
    CALLS,
    EXAMPLES,
    GROWS,
    ONLINE,
    ROLLING,
    SIMULATION,
    added_tasks,
    day,
    grow,
    online_tasks,
    rolling_tasks,
    starts_at,
    with_qlibs_imports,
)


def main(folder: Path) -> None:
    os.chdir(folder)
    sys.path.insert(0, str(EXAMPLES))
    uri = f"sqlite:///{folder}/qlib.db"
    common = {
        "exp_manager": {
            "class": "MLflowExpManager",
            "module_path": "qlib.workflow.expm",
            "kwargs": {"uri": uri, "default_exp_name": "Experiment"},
        }
    }
    whole = {"provider_uri": str(folder / "whole"), **common}
    with contextlib.redirect_stdout(io.StringIO()):
        example = load_script("rolling.py", folder)["RollingExample"](
            **whole, **ROLLING, tasks=rolling_tasks()
        )
        answers: dict[str, Any] = {"rolling": example.main()}
        answers["simulation"] = simulation(load_script("online_simulation.py", folder), whole)
        answers["online"] = online(load_script("rolling_online.py", folder), folder, common)
    (folder / "answers.pkl").write_bytes(pickle.dumps(answers))


def load_script(script: str, folder: Path) -> dict[str, Any]:
    """The names that a script defines."""
    swapped = folder / f"qlib_{script}"
    swapped.write_text(with_qlibs_imports((EXAMPLES / script).read_text()))
    return runpy.run_path(str(swapped), run_name=swapped.stem)


def simulation(names: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    example = names["OnlineSimulationExample"](**whole, **SIMULATION, tasks=online_tasks(day(-1)))
    analysis = example.main()
    (strategy,) = example.manager.strategies
    return {
        "signals": example.manager.get_signals(),
        "collected": example.manager.get_collector()(),
        "history": {
            session: [starts_at(recorder) for recorder in by[strategy]]
            for session, by in example.manager.history.items()
        },
        "analysis": analysis,
    }


def online(names: dict[str, Any], folder: Path, common: dict[str, Any]) -> list[dict[str, Any]]:
    """After the first run, and after each routine; at last one more strategy has joined."""
    from qlib.data.cache import H

    provider = folder / "qlib_grows"
    steps = []
    for last, calls in zip(GROWS, CALLS, strict=True):
        grow(provider, last)
        H.clear()
        example = names["RollingOnlineExample"](
            provider_uri=str(provider),
            **common,
            **ONLINE,
            tasks=online_tasks(),
            add_tasks=added_tasks(),
            state=str(folder / "qlib_state.pkl"),
        )
        for call in calls:
            getattr(example, call)()
        steps.append(
            {
                "collected": example.manager.get_collector()(),
                "signals": example.manager.get_signals(),
                "online": {
                    strategy.name_id: [
                        starts_at(recorder) for recorder in strategy.tool.online_models()
                    ]
                    for strategy in example.manager.strategies
                },
            }
        )
    return steps


if __name__ == "__main__":
    main(Path(sys.argv[1]))
