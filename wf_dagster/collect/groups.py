"""Regroup collected objects by their keys, and merge each group."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from wf_dagster.collect.ensembles import RollingEnsemble
from wf_dagster.errors import CollectError


class Group:
    """Groups ``{key: object}`` into ``{group: {rest of the key: object}}``, then merges.

    Args:
        group_func: Makes the groups of a dict; subclasses may define ``group`` instead.
        ens: Merges the dict of one group into one object.
    """

    def __init__(
        self,
        group_func: Callable[..., dict[Any, Any]] | None = None,
        ens: Callable[..., Any] | None = None,
    ) -> None:
        self._group_func = group_func
        self._ens_func = ens

    def group(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        """The groups.

        Raises:
            CollectError: No ``group_func`` was given.
        """
        if not callable(self._group_func):
            raise CollectError(
                f"{type(self).__name__} does not know how to group: give it group_func, a function "
                "from a dict to a dict of dicts"
            )
        return self._group_func(*args, **kwargs)

    def reduce(self, *args: Any, **kwargs: Any) -> Any:
        """One group merged.

        Raises:
            CollectError: No ``ens`` was given.
        """
        if not callable(self._ens_func):
            raise CollectError(
                f"{type(self).__name__} does not know how to merge a group: give it ens, for "
                "example RollingEnsemble()"
            )
        return self._ens_func(*args, **kwargs)

    def __call__(
        self,
        ungrouped_dict: Mapping[Any, Any],
        n_jobs: int = 1,
        verbose: int = 0,
        *args: Any,
        **kwargs: Any,
    ) -> dict[Any, Any]:
        """Group, and merge each group.

        Args:
            ungrouped_dict: Objects by key.
            n_jobs: Threads that merge groups; -1 is one a core.
            verbose: Accepted for Qlib's sake.
            *args: Passed on to :meth:`group`.
            **kwargs: Passed on to :meth:`group`.

        Returns:
            ``{group: merged object}``, in the order of the groups.

        Raises:
            CollectError: The groups are no dict.
        """
        grouped = self.group(ungrouped_dict, *args, **kwargs)
        if not isinstance(grouped, Mapping):
            raise CollectError(
                f"{type(self).__name__}.group gave a {type(grouped).__name__}: it must give a dict "
                "of groups"
            )
        if n_jobs == 1 or len(grouped) < 2:
            return {key: self.reduce(value) for key, value in grouped.items()}
        with ThreadPoolExecutor(n_jobs if n_jobs > 0 else os.cpu_count()) as pool:
            return dict(zip(grouped, pool.map(self.reduce, grouped.values()), strict=True))


class RollingGroup(Group):
    """Groups ``{(a, b, roll): object}`` into ``{(a, b): {roll: object}}``, and joins the rolls.

    Args:
        ens: Joins the rolls of one group.
    """

    def __init__(self, ens: Callable[..., Any] | None = None) -> None:
        super().__init__(ens=ens or RollingEnsemble())

    def group(self, rolling_dict: Mapping[Any, Any]) -> dict[Any, Any]:
        """The rolls of each group; the last part of a key is the roll.

        Raises:
            CollectError: A key is no tuple.
        """
        if not isinstance(rolling_dict, Mapping):
            raise CollectError(
                f"RollingGroup got a {type(rolling_dict).__name__}: it groups a dict of rolls, as "
                "a collector gives it"
            )
        groups: dict[Any, dict[Any, Any]] = {}
        for key, value in rolling_dict.items():
            if not isinstance(key, tuple):
                raise CollectError(
                    f"the key {key!r} is no tuple that ends with the roll: let the collector's "
                    "rec_key_func return one, for example (model name, roll key)"
                )
            groups.setdefault(key[:-1], {})[key[-1]] = value
        return groups
