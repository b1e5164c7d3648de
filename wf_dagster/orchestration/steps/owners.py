"""Who is about to write, as Dagster tells it: the code location of a run, and the part of it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import dagster as dg

from wf_dagster.orchestration.strategy.experiments import check_experiments
from wf_dagster.orchestration.strategy.strategy_spec import StrategySpec
from wf_dagster.tracking import Owner, claim_experiment


def claim_for_strategy(context: dg.AssetExecutionContext, spec: StrategySpec) -> None:
    """Make sure that the experiment of a strategy is its own, before any work.

    Raises:
        OwnerError: It holds what another code location or strategy has recorded, or two strategies
            of this code location name it.
    """
    repository = _find_repository(context)
    strategies = {} if repository is None else dict(_list_strategies(repository))
    check_experiments((label, other.experiment) for label, other in strategies.items())
    names = {other.name for other in strategies.values()}
    claim_experiment(
        spec.experiment,
        "strategy",
        Owner.of(spec.name, **_describe_code(context)),
        remedy="Give this strategy another name, or an experiment_name of its own",
        is_gone=lambda name: bool(names) and name not in names,
    )


def find_pool_owner(context: dg.AssetExecutionContext, spec: StrategySpec) -> Owner:
    """Whose task pool it is that is called like a strategy.

    Neither file nor machine: they are part of the tasks, which a retry elsewhere finds again.
    """
    code = _describe_code(context)
    return Owner(spec.name, code.get("location", ""), code.get("module", ""))


def claim_for_signals(context: dg.AssetExecutionContext, experiment: str) -> None:
    """Make sure that an experiment of signals is that of the running asset, before any work.

    Raises:
        OwnerError: It holds the signals of another code location or asset.
    """
    repository = _find_repository(context)
    keys = set() if repository is None else {k.to_user_string() for k in _list_keys(repository)}
    claim_experiment(
        experiment,
        "signals",
        Owner.of(context.asset_key.to_user_string(), **_describe_code(context)),
        remedy="Give this asset a key of its own, build_signals_asset(..., key=...)",
        is_gone=lambda key: bool(keys) and key not in keys,
    )


def _describe_code(context: dg.AssetExecutionContext) -> dict[str, str]:
    """Where the definitions of a run come from; nothing for ``materialize`` in a script."""
    run = context.run
    code = {}
    if run.remote_job_origin is not None:
        code["location"] = str(run.remote_job_origin.location_name)
    if run.job_code_origin is not None:
        pointer: Any = run.job_code_origin.repository_origin.code_pointer
        code["module"] = str(getattr(pointer, "module", "") or "")
        code["file"] = _find_file(pointer)
    return {name: text for name, text in code.items() if text}


def _find_file(pointer: Any) -> str:
    """The file that a code pointer means; ``""`` if that cannot be known."""
    folder = Path(getattr(pointer, "working_directory", None) or ".")
    if file := getattr(pointer, "python_file", None):
        return str((folder / file).resolve())
    module = getattr(pointer, "module", None)
    loaded = sys.modules.get(module) if module else None
    if loaded is not None and getattr(loaded, "__file__", None):
        return str(Path(str(loaded.__file__)).resolve())
    with suppress(ImportError, ValueError):
        spec = importlib.util.find_spec(module) if module else None
        if spec is not None and spec.origin:
            return str(Path(spec.origin).resolve())
    return ""


def _find_repository(context: dg.AssetExecutionContext) -> Any:
    """The definitions that the run is of; ``None`` for ``materialize`` in a script."""
    with suppress(Exception):  # a run without a code location says so by a failed check of its own
        return context.repository_def
    return None


def _list_strategies(repository: Any) -> Iterator[tuple[str, StrategySpec]]:
    """One for each definition of rolls, by the first of its keys; under two prefixes it is two."""
    for assets in repository.assets_defs_by_key.values():
        function = getattr(getattr(assets.node_def, "compute_fn", None), "decorated_fn", None)
        spec = getattr(function, "strategy", None) if assets.is_executable else None
        if isinstance(spec, StrategySpec):
            yield min(key.to_user_string() for key in assets.keys), spec


def _list_keys(repository: Any) -> Iterable[dg.AssetKey]:
    keys: Iterable[dg.AssetKey] = repository.assets_defs_by_key.keys()
    return keys
