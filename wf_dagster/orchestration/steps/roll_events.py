"""The events of a run's rolls: what Dagster is told of them, whichever step worked on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
from packaging.version import Version

from wf_dagster.orchestration.metadata import roll_metadata
from wf_dagster.orchestration.run_tags import BACKFILL_TAG
from wf_dagster.orchestration.strategy.moved_keys import keys_of_run
from wf_dagster.orchestration.strategy.strategy_keys import ROLL_PARTS, StrategyKeys
from wf_dagster.training import RollOutcome

_ENDS_BACKFILLS = Version("1.13.22")
Outcomes = Mapping[str, RollOutcome]  # by key of the roll


class RollEvents:
    """Writes the events of the partitioned assets of a strategy.

    Args:
        context: The context of the running assets.
        keys: Those that the strategy was defined with.

    Attributes:
        selected: The assets of the run.
    """

    def __init__(self, context: dg.AssetExecutionContext, keys: StrategyKeys) -> None:
        self._context = context
        self._keys = keys_of_run(context, keys)
        self.selected = [
            part for part in ROLL_PARTS if self._keys.asset(part) in context.selected_asset_keys
        ]

    def log(self, parts: Sequence[str], outcomes: Sequence[RollOutcome]) -> None:
        """Mark rolls of some assets as materialized, selected or not."""
        for part in parts:
            for outcome in outcomes:
                self._context.log_event(
                    dg.AssetMaterialization(
                        self._keys.asset(part),
                        partition=outcome.key,
                        metadata=roll_metadata(outcome),
                    )
                )

    def log_finished(self, outcomes: Outcomes) -> None:
        """Mark the finished rolls of a step that does not end well."""
        self.log(self.selected, [outcome for outcome in outcomes.values() if outcome.ok])

    def log_trained(self, outcomes: Outcomes) -> None:
        """Mark rolls that were trained for want of a recorder, which nobody has selected."""
        if "recorders" not in self.selected:
            trained = [o for o in outcomes.values() if o.ok and o.kind == "train"]
            self.log(["recorders"], trained)

    def raise_failures(self, outcomes: Outcomes, total: int) -> None:
        """End the step where rolls failed, with the others marked.

        Args:
            outcomes: What there is.
            total: Number of rolls of the run.

        Raises:
            Failure: Some failed; it names them.
        """
        failed = [outcome for outcome in outcomes.values() if not outcome.ok]
        if failed:
            self.log_finished(outcomes)
            raise _failure(failed, total)

    def end_without(self, early: Mapping[str, str]) -> None:
        """End the step where rolls were left out that cannot be trained yet.

        Dagster skips what follows in a run where an asset has not marked all of its partitions; and
        a backfill waits for each of its own, before 1.13.22 for ever where the run that was to make
        it has succeeded (dagster issue 17745). Neither may happen without a word.

        Args:
            early: Why, by key.

        Raises:
            Failure: Assets follow in the run, or it is of such a backfill.
        """
        following = self._context.job_def.asset_layer.selected_asset_keys - {
            self._keys.asset(part) for part in ROLL_PARTS
        }
        waits = BACKFILL_TAG in self._context.run.tags and Version(dg.__version__) < _ENDS_BACKFILLS
        if not (following or waits):
            self._context.log.warning(
                f"{len(early)} rolls were left out, so Dagster skips the checks of this run"
            )
            return
        names = ", ".join(sorted(key.to_user_string() for key in following))
        skipped = f"Dagster therefore skips {names} in this run: materialize them alone.\n"
        raise dg.Failure(
            description=(
                f"{len(early)} rolls cannot be trained yet; the others are finished and marked.\n"
                f"{skipped if following else ''}"
                + "\n".join(f"- {reason}" for reason in early.values())
            ),
            metadata={"early_rolls": dg.MetadataValue.json(list(early))},
        )

    def results(self, outcomes: Outcomes) -> Iterator[dg.MaterializeResult[Any]]:
        """One materialization a partition and selected asset."""
        for part in self.selected:
            for key, outcome in outcomes.items():
                self._context.add_asset_metadata(
                    roll_metadata(outcome), asset_key=self._keys.asset(part), partition_key=key
                )
        for part in self.selected if outcomes else ():
            yield dg.MaterializeResult(asset_key=self._keys.asset(part))


def _failure(failed: Sequence[RollOutcome], total: int) -> dg.Failure:
    lines = "\n".join(f"- {outcome.key}: {outcome.error}" for outcome in failed)
    return dg.Failure(
        description=(
            f"{len(failed)} of {total} rolls failed; the others are finished and marked.\n"
            f"{lines}\nRe-execute this run to train only what is missing."
        ),
        metadata={
            "failed_rolls": dg.MetadataValue.json([outcome.key for outcome in failed]),
            "errors": dg.MetadataValue.md(lines),
        },
    )
