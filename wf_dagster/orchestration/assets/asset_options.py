"""What may be chosen for the assets of a strategy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg
from typing_extensions import TypedDict

from wf_dagster.orchestration.automation.conditions import Automation, is_declarative
from wf_dagster.orchestration.resources.task_pool_resource import TaskPoolResource


class AssetOptions(TypedDict, total=False):
    """The options of :func:`build_rolling_assets`, where they are described."""

    experiment_name: str | None
    description: str
    owners: Sequence[str]
    group_name: str | None
    kinds: Sequence[str]
    max_workers: int | None
    backfill_policy: dg.BackfillPolicy | None
    retry_policy: dg.RetryPolicy | None
    task_pool: TaskPoolResource | None
    automation: Automation
    prices_key: str


@dataclass(frozen=True)
class ChosenOptions:
    """The options with their defaults.

    Raises:
        OnlineError: ``automation`` is unknown.
    """

    experiment_name: str | None = None
    description: str = ""
    owners: Sequence[str] = ()
    group_name: str | None = None
    kinds: Sequence[str] = ()
    max_workers: int | None = None
    backfill_policy: dg.BackfillPolicy | None = None
    retry_policy: dg.RetryPolicy | None = None
    task_pool: TaskPoolResource | None = None
    automation: Automation = "manual"
    prices_key: str = "prices"

    def __post_init__(self) -> None:
        is_declarative(self.automation)

    @property
    def is_declarative(self) -> bool:
        """Whether the assets carry automation conditions."""
        return is_declarative(self.automation)

    def describe(self, part: str) -> str:
        """The description of one of the assets, then that of the strategy."""
        return "\n\n".join(filter(None, [part, self.description]))
