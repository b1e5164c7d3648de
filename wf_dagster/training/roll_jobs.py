"""What goes to a worker process and what comes back: plain values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from typing_extensions import Self

from wf_dagster.market import Market

JobKind = Literal["train", "end", "refresh", "update", "report"]
Segments = dict[str, tuple[str | None, str | None]]


@dataclass(frozen=True)
class RollJob:
    """One roll, or other task, to be worked on.

    Attributes:
        key: The roll's key (ISO date), or another name of the work.
        kind: ``"train"`` trains the task anew; ``"end"`` trains what ``begin_task_train`` left in
            ``recorder_id``; ``"refresh"`` predicts again with the model of ``recorder_id``;
            ``"update"`` analyses it again, after its predictions or labels have changed;
            ``"report"`` only reads what ``recorder_id`` holds.
        experiment_name: The MLflow experiment; ``None`` is the default one.
        fingerprint: Fingerprint of the task.
        task: The task definition; needed for ``train``, otherwise what features and modules
            to make ready is taken from it.
        recorder_id: An existing recorder (all but ``train``).
        recorder_name: Name of a new recorder.
        figures: Whether the outcome is to hold segments, rows and a plot, for display.
        parent_run_id: MLflow run that a new recorder becomes a child of.
        tags: Tags of a new recorder.
        market: What it stands on, as of its replay date; ``None`` is that of the settings.
    """

    key: str
    kind: JobKind
    experiment_name: str | None
    fingerprint: str
    task: dict[str, Any] | None = None
    recorder_id: str | None = None
    recorder_name: str | None = None
    figures: bool = True
    parent_run_id: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    market: Market | None = None


@dataclass(frozen=True)
class RollOutcome:
    """The result of one :class:`Work`.

    Attributes:
        key: The roll's key (ISO date).
        kind: What was done, as in :class:`Work`.
        fingerprint: Fingerprint of the task.
        recorder_id: MLflow run id; ``None`` when it failed before a run was made.
        url: Link to the run's page in the MLflow UI.
        segments: ISO dates, both ends included; ``None`` is an open end.
        metrics: The recorder's metrics by name (``IC``, ``Rank IC``, ...).
        rows: Number of predictions.
        late_rows: Those of them that sessions which were predicted before lacked, as their closes
            came late.
        fit_seconds: Wall time of ``model.fit``.
        seconds: Wall time of the whole work.
        plot: Markdown image of the information coefficient; empty without known labels.
        error: One line saying what went wrong; ``None`` on success.
        details: The traceback that belongs to ``error``.
    """

    key: str
    kind: str
    fingerprint: str
    recorder_id: str | None = None
    url: str = ""
    segments: Segments = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    rows: int = 0
    late_rows: int = 0
    fit_seconds: float = 0.0
    seconds: float = 0.0
    plot: str = ""
    error: str | None = None
    details: str = ""

    @property
    def ok(self) -> bool:
        """Whether the roll was worked through."""
        return self.error is None

    @classmethod
    def failed(cls, work: RollJob, error: str, details: str = "") -> Self:
        """The outcome of a roll that could not be worked through."""
        return cls(
            key=work.key,
            kind=work.kind,
            fingerprint=work.fingerprint,
            recorder_id=work.recorder_id,
            error=error,
            details=details,
        )
