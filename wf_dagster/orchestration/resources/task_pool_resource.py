"""The Dagster side of the task pool."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

if TYPE_CHECKING:
    from wf_dagster.pool import TaskManager


class TaskPoolResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Lets workers outside Dagster train rolls of a backfill.

    Given to :func:`build_rolling_assets`, a step offers the rolls it has to train as tasks of a
    pool, trains what nobody else has claimed, waits for what others hold, and materializes all
    of them. ``wf-dagster worker --pool NAME --follow`` on any machine that reaches the store and
    MLflow helps.

    Example:
        >>> pool = TaskPoolResource(url="sqlite:////tmp/wf-doc-tasks.db")
        >>> build_rolling_assets("demo", template, generator, task_pool=pool)  # doctest: +SKIP
    """

    url: str = Field(
        default="", description="Address of the task store; default the setting task_store."
    )
    name: str = Field(default="", description="Name of the pool; default the strategy's name.")
    lease: float = Field(
        default=60.0, description="Seconds without a sign of life after which a worker is dead."
    )
    max_attempts: int = Field(default=3, description="Attempts after which a roll has failed.")

    def open(self, strategy: str) -> TaskManager:
        """The pool of a strategy.

        Raises:
            PoolInputError: The name or the address is not usable.
            PoolStoreError: The store does not answer or refuses the login.
        """
        from wf_dagster.pool import TaskManager  # slow to import

        return TaskManager(
            self.name or strategy,
            self.url or None,
            lease=self.lease,
            max_attempts=self.max_attempts,
        )
