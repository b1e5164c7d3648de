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
from wf_dagster.online.online_state import ONLINE_TAG, OnlineState
from wf_dagster.tracking import (
    MLflowExperiment,
    MLflowRecorder,
    R,
    Recorder,
    create_recorder_of_kind,
    find_recorder_of_kind,
    find_recorders,
    holder,
    lock_folder,
    sweep,
)

ONLINE_KEY = "online_status"
KIND = "online"
FILE = "online.json"
PATIENCE = 5.0  # seconds to wait for another process that is about to finish


class OnlineLedger:
    """The online state of one experiment.

    Args:
        experiment_name: MLflow experiment; it need not be there yet.

    Attributes:
        looked_up: Recorders that were looked up inside :meth:`exclusive`, by id.
    """

    def __init__(self, experiment_name: str) -> None:
        self.experiment_name = experiment_name
        self._own: MLflowRecorder | None = None
        self._depth = 0
        self.looked_up: dict[str, Recorder] = {}

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
            return self._state_of_tags()
        try:
            return OnlineState.from_json(recorder.load_object(FILE, raw="bytes").decode())
        except ObjectNotFoundError:  # the first state is about to be written, or its writer died
            return self._state_of_tags()
        except ValueError as error:
            raise BrokenObjectError(
                f"{FILE} of recorder {recorder.id} (experiment {self.experiment_name!r}) says "
                f"nothing of online models: {error}; delete that recorder to start anew"
            ) from None

    def _state_of_tags(self) -> OnlineState:
        tagged = find_recorders(self.experiment_name, tags={ONLINE_KEY: ONLINE_TAG}, status=None)
        return OnlineState(online=tuple(recorder.id for recorder in tagged))

    def read_note(self, name: str) -> str | None:
        """A text that is kept beside the state; ``None`` if there is none."""
        recorder = self._recorder()
        if recorder is None:
            return None
        try:
            return str(recorder.load_object(name, raw="bytes").decode())
        except ObjectNotFoundError:
            return None

    def write_note(self, name: str, text: str) -> None:
        """Keep a text beside the state, replacing the one of this name."""
        self._save_text(self._recorder() or self._create_recorder(), name, text)

    def write(self, state: OnlineState) -> OnlineState:
        """Keep a state, then bring the recorders' tags in line; the state as it is then."""
        recorder = self._recorder() or self._create_recorder()
        self._save(recorder, state)
        return self.mark(state)

    def mark(self, state: OnlineState) -> OnlineState:
        """Give recorders the tags that a switch promised them."""
        if not state.unmarked:
            return state
        for recorder_id, recorder in self.recorders(list(state.unmarked)).items():
            recorder.set_tags(**{ONLINE_KEY: state.unmarked[recorder_id]})
        marked = replace(state, unmarked={})
        own = self._recorder()
        assert own is not None
        self._save(own, marked)
        return marked

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
        lock = FileLock(lock_folder() / f"online-{experiment.id}.lock")
        try:
            lock.acquire(timeout=PATIENCE)
        except Timeout:
            recorder = self._recorder()
            process = None if recorder is None else holder(recorder)
            raise self._busy_error(process or "another process") from None
        try:
            sweep(self.experiment_name)  # or one would seem to go on with what a dead one began
            self._own = None  # it may have been deleted meanwhile
            recorder = self._recorder() or self._create_recorder()
            # the lock file speaks for this machine, the heartbeat for the others
            if other := holder(recorder):
                raise self._busy_error(other)
            recorder.start_run()
            self._depth = 1
            try:
                yield
            finally:
                self._depth = 0
                self.looked_up.clear()
                recorder.end_run()
        finally:
            lock.release()

    def _busy_error(self, process: str) -> OnlineError:
        return OnlineError(
            f"the online models of {self.experiment_name!r} are being changed by {process}: wait "
            "until it has finished; two managers cannot work on one strategy at once"
        )

    def _recorder(self) -> MLflowRecorder | None:
        if self._own is None:
            self._own = find_recorder_of_kind(self.experiment_name, KIND, oldest=True)
        return self._own

    def _create_recorder(self) -> MLflowRecorder:
        self._own = create_recorder_of_kind(self.experiment_name, KIND)
        return self._own

    def _experiment(self) -> MLflowExperiment:
        return R.get_exp(experiment_name=self.experiment_name)

    def _save(self, recorder: MLflowRecorder, state: OnlineState) -> None:
        self._save_text(recorder, FILE, state.to_json())

    def _save_text(self, recorder: MLflowRecorder, name: str, text: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, name)
            path.write_text(text)
            recorder.save_objects(local_path=str(path))
