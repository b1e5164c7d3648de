"""The keys of this package's assets as they are in a code location.

``load_assets_from_modules(..., key_prefix="fund")`` gives assets other keys after they were made,
and whatever was made of them before knows only the keys that they were defined with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import dagster as dg

from wf_dagster.errors import SettingsError
from wf_dagster.orchestration.strategy.strategy_keys import ROLL_PARTS, StrategyKeys
from wf_dagster.orchestration.strategy.strategy_metadata import RollingMetadata


def moved_keys(graph: Any) -> dict[dg.AssetKey, dg.AssetKey]:
    """The keys of assets, by those that they were defined with.

    Args:
        graph: Dagster's asset graph of a code location.
    """
    return {
        dg.AssetKey.from_user_string(own.key): node.key
        for node in graph.asset_nodes
        if node.is_executable and (own := RollingMetadata.of(node.metadata)) is not None
    }


def keys_in(graph: Any, keys: StrategyKeys) -> StrategyKeys:
    """The keys of a strategy as they are in an asset graph."""
    moved = moved_keys(graph)
    return replace(keys, by_part={part: moved.get(key, key) for part, key in keys.by_part.items()})


def keys_of_run(context: dg.AssetExecutionContext, keys: StrategyKeys) -> StrategyKeys:
    """The keys of a strategy's partitioned assets as they are in a run.

    Args:
        context: The context of the step that makes them.
        keys: Those that they were defined with, which their outputs are still called by.
    """
    by_output = context.assets_def.node_keys_by_output_name
    defined = {part: keys.asset(part) for part in ROLL_PARTS}
    now = {part: by_output.get(key.to_python_identifier(), key) for part, key in defined.items()}
    return replace(keys, by_part={**keys.by_part, **now})


@dataclass(frozen=True)
class DefinedAssets(dg.AssetSelection):
    """Assets by the keys that they were defined with.

    Args:
        user: What selects them, for messages.
        defined: Those keys.
    """

    user: str
    defined: tuple[dg.AssetKey, ...]

    def resolve_inner(self, asset_graph: Any, allow_missing: bool) -> set[dg.AssetKey]:
        """Their keys in an asset graph.

        Raises:
            SettingsError: One is not there, or checks were left behind at a former key.
        """
        moved = moved_keys(asset_graph)
        there: set[dg.AssetKey] = set(asset_graph.materializable_asset_keys)
        keys = {moved.get(key, key) for key in self.defined}
        if not allow_missing:
            self._check_assets(keys - there)
            self._check_checks(asset_graph, moved)
        return keys & there

    def _check_assets(self, missing: set[dg.AssetKey]) -> None:
        if missing:
            names = ", ".join(sorted(key.to_user_string() for key in missing))
            raise SettingsError(
                f"{self.user} refreshes {names}, which no asset of the code location makes: put "
                "it into the Definitions (signals: build_signals_asset), or leave signals out with "
                "signals=()"
            )

    def _check_checks(self, graph: Any, moved: Mapping[dg.AssetKey, dg.AssetKey]) -> None:
        for key in self.defined:
            now = moved.get(key, key)
            if now != key and any(check.asset_key == key for check in graph.asset_check_keys):
                raise SettingsError(
                    f"asset {key.to_user_string()} is now called {now.to_user_string()}, and its "
                    "checks were left behind: load them with the same prefix "
                    "(load_asset_checks_from_modules(..., asset_key_prefix=...)), or give the "
                    "prefix to build_rolling_assets(..., key_prefix=...) instead"
                )

    def __str__(self) -> str:
        return " or ".join(f'key:"{key.to_user_string()}"' for key in self.defined)
