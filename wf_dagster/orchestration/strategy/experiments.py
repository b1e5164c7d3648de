"""Each strategy has an experiment of its own."""

from __future__ import annotations

from collections.abc import Iterable

from wf_dagster.errors import OwnerError


def check_experiments(strategies: Iterable[tuple[str, str]]) -> None:
    """Refuse strategies that would record into one experiment.

    Args:
        strategies: Pairs of what a strategy is called, for people, and its experiment.

    Raises:
        OwnerError: Two have the same experiment; the message names both.
    """
    owners: dict[str, str] = {}
    for label, experiment in strategies:
        if experiment in owners:
            raise OwnerError(
                f"two strategies, {owners[experiment]!r} and {label!r}, name the experiment "
                f"{experiment!r}, where each would take the other's recorders and online models "
                "for its own: give each an experiment_name of its own"
            )
        owners[experiment] = label
