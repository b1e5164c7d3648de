"""By what the assets of a strategy are found again, whatever their keys are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import dagster as dg
from typing_extensions import Self

NAMESPACE = "wf_dagster"
PART_TAG = f"{NAMESPACE}/part"


@dataclass(frozen=True)
class RollingMetadata:
    """The metadata ``wf_dagster/...`` of an asset.

    Attributes:
        part: Which asset of a strategy it is: ``"recorders"``, ``"signals"`` and so on.
        key: The key that it was defined with, ``/`` between the parts; a key prefix may have been
            put before it since.
        experiment: The MLflow experiment of its recorders.
        strategy: The strategy it belongs to; ``None`` of signals, which may be of several.
    """

    part: str
    key: str
    experiment: str
    strategy: str | None = None

    @classmethod
    def of(cls, metadata: Mapping[str, Any]) -> Self | None:
        """That of an asset; ``None`` where the asset is none of this package."""
        values = {
            name.partition("/")[2]: getattr(value, "value", value)
            for name, value in metadata.items()
            if name.startswith(f"{NAMESPACE}/")
        }
        names = set(cls.__dataclass_fields__) & set(values)
        if not {"part", "key", "experiment"} <= names:
            return None
        return cls(**{name: str(values[name]) for name in names})

    def attach(self, asset: dg.AssetSpec) -> dg.AssetSpec:
        """The asset with this metadata, and its part as a tag, which selections can ask for."""
        values = {name: value for name, value in asdict(self).items() if value is not None}
        return asset.merge_attributes(
            metadata={f"{NAMESPACE}/{name}": value for name, value in values.items()},
            tags={PART_TAG: self.part},
        )
