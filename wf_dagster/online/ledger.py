"""The one place that says which models of a strategy are online.

It is a small file in a recorder of the strategy's experiment, replaced as a whole: a reader sees
the models before a switch or those after it, never none and never two generations, also when the
process dies in between. The tag ``online_status`` of each recorder, which the MLflow page shows,
follows the file; what a dead process left undone is done at the next call.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from wf_dagster.errors import (
    BrokenObjectError,
    ObjectNotFoundError,
    OnlineError,
)
from wf_dagster.online.state import ONLINE_TAG, OnlineState
from wf_dagster.settings import get_settings
from wf_dagster.tracking import MLflowExperiment, MLflowRecorder, R, find_recorders, holder, sweep
from wf_dagster.tracking.recorder import KIND_TAG, Recorder

ONLINE_KEY = "online_status"
KIND = "online"
FILE = "online.json"
PATIENCE = 5.0  # seconds to wait for another process that is about to finish


class OnlineLedger:
    """The online state of one experiment.

    Args:
        experiment_name: MLflow experiment; it need not be there yet.

    Attributes:
        found: Recorders that were looked up inside :meth:`exclusive`, by id.
    """

    def __init__(self, experiment_name: str) -> None:
        self.experiment_name = experiment_name
        self._held: MLflowRecorder | None = None
        self._depth = 0
        self.found: dict[str, Recorder] = {}

    @property
    def busy(self) -> bool:
        """Whether this object is inside :meth:`exclusive`."""
        return self._depth > 0

    def __getstate__(self) -> dict[str, object]:
        return OnlineLedger(self.experiment_name).__dict__

    @property
    def exists(self) -> bool:
        """Whether the experiment has a state; before that the recorders' tags count."""
        return self._recorder() is not None

    def held_by(self) -> str | None:
        """The living process that is changing the state, in words; ``None`` when nobody is."""
        recorder = self._recorder()
        return None if recorder is None else holder(recorder)

    def read(self) -> OnlineState:
        """The state; an experiment without one has what its recorders' tags say."""
        recorder = self._recorder()
        if recorder is None:
            return self._tagged()
        try:
            return OnlineState.from_json(recorder.load_object(FILE, raw="bytes").decode())
        except ObjectNotFoundError:  # the first state is about to be written, or its writer died
            return self._tagged()
        except ValueError as error:
            raise BrokenObjectError(
                f"{FILE} of recorder {recorder.id} (experiment {self.experiment_name!r}) says "
                f"nothing of online models: {error}; delete that recorder to start anew"
            ) from None

    def _tagged(self) -> OnlineState:
        tagged = find_recorders(self.experiment_name, tags={ONLINE_KEY: ONLINE_TAG}, status=None)
        return OnlineState(online=tuple(recorder.id for recorder in tagged))

    def write(self, state: OnlineState) -> OnlineState:
        """Keep a state, then bring the recorders' tags in line; the state as it is then."""
        recorder = self._recorder() or self._made()
        self._put(recorder, state)
        return self.mark(state)

    def mark(self, state: OnlineState) -> OnlineState:
        """Give recorders the tags that a switch promised them."""
        if not state.unmarked:
            return state
        for recorder_id, recorder in self.recorders(list(state.unmarked)).items():
            recorder.set_tags(**{ONLINE_KEY: state.unmarked[recorder_id]})
        done = replace(state, unmarked={})
        own = self._recorder()
        assert own is not None
        self._put(own, done)
        return done

    def recorders(self, ids: Sequence[str]) -> dict[str, MLflowRecorder]:
        """Recorders of the experiment by id; those that were deleted are left out."""
        return self._experiment().by_id(ids) if ids else {}

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep other processes from changing the state inside the block.

        Runs that dead processes left in the experiment are ended first.

        Raises:
            OnlineError: Another process is at it.
        """
        if self._depth:  # this object has it already
            yield
            return
        experiment = R.get_exp(experiment_name=self.experiment_name)
        folder = get_settings().make_home() / "locks"
        folder.mkdir(exist_ok=True)
        lock = FileLock(folder / f"online-{experiment.id}.lock")
        try:
            lock.acquire(timeout=PATIENCE)
        except Timeout:
            recorder = self._recorder()
            who = None if recorder is None else holder(recorder)
            raise self._busy(who or "another process") from None
        try:
            sweep(self.experiment_name)  # or one would seem to go on with what a dead one began
            self._held = None  # it may have been deleted meanwhile
            recorder = self._recorder() or self._made()
            # the lock file speaks for this machine, the heartbeat for the others
            if other := holder(recorder):
                raise self._busy(other)
            recorder.start_run()
            self._depth = 1
            try:
                yield
            finally:
                self._depth = 0
                self.found.clear()
                recorder.end_run()
        finally:
            lock.release()

    def _busy(self, who: str) -> OnlineError:
        return OnlineError(
            f"the online models of {self.experiment_name!r} are being changed by {who}: wait until "
            "it has finished; two managers cannot work on one strategy at once"
        )

    def _recorder(self) -> MLflowRecorder | None:
        if self._held is None:
            found = find_recorders(self.experiment_name, tags={KIND_TAG: KIND}, status=None)
            self._held = found[-1] if found else None  # the oldest, should two have been made
        return self._held

    def _made(self) -> MLflowRecorder:
        self._experiment().create_recorder(KIND, tags={KIND_TAG: KIND})
        recorder = self._recorder()
        assert recorder is not None
        return recorder

    def _experiment(self) -> MLflowExperiment:
        return R.get_exp(experiment_name=self.experiment_name)

    def _put(self, recorder: MLflowRecorder, state: OnlineState) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, FILE)
            path.write_text(state.to_json())
            recorder.save_objects(local_path=str(path))
