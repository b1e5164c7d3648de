"""What a routine of the online manager did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from wf_dagster.errors import TrainingError
from wf_dagster.online.late_rows import LateRows
from wf_dagster.tracking import Recorder


@dataclass
class RoutineReport:
    """What a routine did.

    Attributes:
        sessions: The sessions it worked through.
        trained: Recorders that were trained.
        predicted: Recorders whose predictions changed.
        labelled: Recorders whose labels changed.
        late: What was added to sessions that were served before, for closes that came late.
        failures: What could not be trained, by strategy.
    """

    sessions: list[pd.Timestamp] = field(default_factory=list)
    trained: list[Recorder] = field(default_factory=list)
    predicted: list[Recorder] = field(default_factory=list)
    labelled: list[Recorder] = field(default_factory=list)
    late: list[LateRows] = field(default_factory=list)
    failures: dict[str, TrainingError] = field(default_factory=dict)

    def add_late(self, late: Sequence[LateRows]) -> None:
        """Note what was added for closes that came late."""
        self.late += late
        self.predicted += [rows.recorder for rows in late if len(rows.rows)]
        self.labelled += [rows.recorder for rows in late if rows.labelled]

    def add(self, other: RoutineReport) -> None:
        """Note what another routine did as well."""
        self.trained += other.trained
        self.predicted += other.predicted
        self.labelled += other.labelled

    def raise_failures(self) -> None:
        """Raise what went wrong, now that everything else is done.

        Raises:
            TrainingError: Models could not be trained.
        """
        if self.failures:
            lines = "\n".join(f"{name}: {error}" for name, error in self.failures.items())
            raise TrainingError(
                "models that were due could not be trained; those that were online before stay, "
                f"and the next routine tries again:\n{lines}",
                self.trained,
            ) from next(iter(self.failures.values()))
