"""Run a script in a process of its own, in a folder of its own, with a home of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.peer.leftovers import Left, read_answers, read_home, read_mlruns
from tests.peer.market_data import MINUTE_DAYS, write_days, write_minutes
from tests.peer.ways import SCRIPTS, Way, script_text

ROOT = Path(__file__).parents[2]
# the first of them has no session before it
TRADED_MINUTES = f"{MINUTE_DAYS[1]:%Y-%m-%d} {MINUTE_DAYS[-2]:%Y-%m-%d}"


@dataclass(frozen=True)
class Step:
    """One call of a script: its arguments, and up to which session there are prices by then."""

    arguments: tuple[str, ...] = ()
    last: int | None = None


@dataclass(frozen=True)
class Result:
    """What a script leaves.

    Attributes:
        exit_codes: Of each call.
        errors: The end of what each call writes to standard error.
        left: Its recorders.
        answers: What it puts beside it, by the name of the file.
        folder: Where it ran.
        files: New names there.
    """

    exit_codes: list[int]
    errors: list[str]
    left: Left
    answers: dict[str, dict[str, Any]]
    folder: Path
    files: frozenset[str] = field(default_factory=frozenset)

    def assert_success(self) -> None:
        """Each call has ended with 0."""
        for code, error in zip(self.exit_codes, self.errors, strict=True):
            assert code == 0, f"exit code {code}, {self.folder}:\n{error[-2500:]}"


class Peer:
    """Runs scripts, each in each way once; what plain Qlib leaves is kept for the other ways."""

    def __init__(self, folder: Path, mongo_url: str = "") -> None:
        self.folder = folder
        self.mongo_url = mongo_url
        self.results: dict[tuple[str, tuple[Step, ...], Way], Result] = {}

    def run(self, script: str, way: Way, *steps: Step) -> Result:
        """Run a script, one process after the other for each step; default one without arguments.

        Args:
            script: Its name in ``scripts/``, without ``.py``.
            way: With which import lines.
            *steps: What it is called with.

        Raises:
            AssertionError: A call did not end with 0.
        """
        steps = steps or (Step(),)
        key = (script, steps, way)
        if key not in self.results:
            self.results[key] = self._run(script, way, steps)
        self.results[key].assert_success()
        return self.results[key]

    def _run(self, script: str, way: Way, steps: tuple[Step, ...]) -> Result:
        place = self.folder / f"{script}_{way.value}_{len(self.results)}"
        here = place / "here"
        here.mkdir(parents=True)
        for file in SCRIPTS.iterdir():
            if file.suffix in (".py", ".yaml"):
                (here / file.name).write_text(script_text(file.name, way))
        if script == "nested_decision_execution" and not (self.folder / "minutes").exists():
            write_minutes(self.folder / "minutes")
        before = {file.name for file in here.iterdir()}
        codes, errors = [], []
        for step in steps:
            data = place / "data" if step.last is not None else self.folder / "data"
            if step.last is not None or not data.exists():
                write_days(data, step.last)
            run = subprocess.run(
                [*self._command(script), *step.arguments],
                cwd=here,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                timeout=600,
                env=self._environment(place, data, way),
            )
            codes.append(run.returncode)
            errors.append(run.stderr[-4000:])
        files = {file.name for file in here.iterdir()} - before - {"__pycache__"}
        is_plain = way is Way.QLIB
        left = read_mlruns(here / "mlruns") if is_plain else read_home(place / "home")
        return Result(codes, errors, left, read_answers(here), here, frozenset(files))

    def _command(self, script: str) -> list[str]:
        if "# %%" in (SCRIPTS / f"{script}.py").read_text():
            return [sys.executable, str(ROOT / "tests/peer/run_notebook.py"), f"{script}.py"]
        return [sys.executable, f"{script}.py"]

    def _environment(self, place: Path, data: Path, way: Way) -> dict[str, str]:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("WF_")
        }
        environment |= {
            "PEER_DATA": str(data),
            "PEER_MINUTE_DATA": str(self.folder / "minutes"),
            "PEER_MINUTES": TRADED_MINUTES,
            "PEER_MONGO": self.mongo_url,
            "WF_HOME": str(place / "home"),
            "WF_MAX_WORKERS": "1",
            "OMP_NUM_THREADS": "1",
            # without it Qlib keeps the diff of this repository with each recorder
            "GIT_DIR": str(place),
        }
        if way is Way.QLIB:  # its default is ./mlruns
            environment["MLFLOW_ALLOW_FILE_STORE"] = "true"
        return environment
