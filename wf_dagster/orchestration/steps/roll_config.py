"""What a launch may choose for the rolls of a strategy."""

from __future__ import annotations

import dagster as dg
from pydantic import Field

from wf_dagster.errors import OnlineError

LAST = "last"  # the last session with prices, whichever that is


class RollConfig(dg.Config):
    """Launch-time choices of a strategy's rolls."""

    reuse_finished: bool = Field(
        default=False,
        description=(
            "Take a finished recorder of the same training where there is one, instead of "
            "training anew."
        ),
    )
    online_session: str = Field(
        default="",
        description=(
            "Work through this session (an ISO date, or 'last' for the last one with prices), and "
            "those missed before it, as the online schedule does: train what is due, switch "
            "models, update predictions and labels."
        ),
    )
    predict_again: bool = Field(
        default=False,
        description=(
            "With online_session: predict all sessions of the online models again, because their "
            "prices were restated."
        ),
    )

    def check(self) -> None:
        """Refuse choices that would have no effect.

        Raises:
            OnlineError: ``predict_again`` has no session.
        """
        if self.predict_again and not self.online_session:
            raise OnlineError(
                "predict_again is a choice of online runs: give online_session as well, a date "
                "or 'last'; without it, `predictions` alone are predicted again anyway"
            )
