"""Many values of an asset of the host, with its IO manager set up once."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from functools import cached_property
from typing import Any

import dagster as dg
from dagster._core.execution.build_resources import get_mapped_resource_config
from dagster._core.execution.resources_init import get_transitive_required_resource_keys
from dagster._core.types.dagster_type import resolve_dagster_type


class ValueLoader:
    """Loads an asset, or its partitions, as ``dg.AssetValueLoader`` does.

    That one makes two databases for each value, as it hands no ready resources to the contexts of
    the IO manager, which takes a hundred times as long as reading a small file.

    Args:
        context: Of the step that reads.
        asset: The asset with its resources.
        key: Which of its assets.
        kind: The type that the IO manager is asked for.
    """

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        asset: dg.AssetsDefinition,
        key: dg.AssetKey,
        kind: type,
    ) -> None:
        self.context = context
        self.asset = asset
        self.key = key
        self.kind = resolve_dagster_type(kind)
        self._open = ExitStack()

    def __enter__(self) -> ValueLoader:
        return self

    def __exit__(self, *_error: object) -> None:
        self._open.close()

    def load(self, part: str | None) -> Any:
        """The value of a partition, or of an asset without partitions."""
        partitions = self.asset.partitions_def
        subset = None
        if partitions is not None and part is not None:
            subset = partitions.empty_subset().with_partition_keys([part])
        arriving = dg.InputContext(
            asset_key=self.key,
            dagster_type=self.kind,
            upstream_output=self._output,
            log_manager=self._output.log,
            resources=self._resources,
            resource_config=self._config,
            partition_key=part,
            asset_partitions_subset=subset,
            asset_partitions_def=partitions,
            instance=self.context.instance,
        )
        return getattr(self._resources, self._manager_key).load_input(arriving)

    @cached_property
    def _manager_key(self) -> str:
        return self.asset.get_io_manager_key_for_asset_key(self.key)

    @cached_property
    def _definitions(self) -> Mapping[str, dg.ResourceDefinition]:
        """The IO manager, and the resources that it needs."""
        known = {**self.context.job_def.resource_defs, **self.asset.resource_defs}
        needed = known[self._manager_key].required_resource_keys
        keys = {self._manager_key, *get_transitive_required_resource_keys(needed, known)}
        return {key: known[key] for key in keys}

    @cached_property
    def _resources(self) -> Any:
        """Set up when the first value is loaded, until the loader is closed."""
        instance = self.context.instance
        return self._open.enter_context(dg.build_resources(self._definitions, instance))

    @cached_property
    def _config(self) -> Any:
        manager = {self._manager_key: self._definitions[self._manager_key]}
        return get_mapped_resource_config(manager, {})[self._manager_key].config

    @cached_property
    def _output(self) -> dg.OutputContext:
        """What the IO manager wrote, as far as it does not depend on the partition."""
        asset = self.asset
        runs = asset.is_executable
        return dg.build_output_context(
            name=asset.get_output_name_for_asset_key(self.key) if runs else None,
            definition_metadata=dict(asset.specs_by_key[self.key].metadata),
            asset_key=self.key,
            op_def=asset.get_op_def_for_asset_key(self.key),
            resource_config={},
        )
