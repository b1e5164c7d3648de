"""By what the assets of a strategy are found again, whatever their keys are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from typing_extensions import Self

NAMESPACE = "wf_dagster"


@dataclass(frozen=True)
class RollingMetadata:
    """The metadata ``wf_dagster/...`` of an asset.

    Attributes:
        strategy: The strategy it belongs to; ``None`` of signals, which may be of several.
        part: Which of its assets it is: ``"recorders"``, ``"signals"`` and so on.
        experiment: The MLflow experiment of its recorders.
    """

    strategy: str | None = None
    part: str | None = None
    experiment: str | None = None

    def to_metadata(self) -> dict[str, str]:
        """As an ``AssetSpec`` takes it: the values that are there, with the namespace."""
        values = asdict(self).items()
        return {f"{NAMESPACE}/{name}": value for name, value in values if value is not None}

    @classmethod
    def of(cls, metadata: Mapping[str, Any]) -> Self:
        """That of an asset; empty where this package has not made it."""
        texts = {
            name.partition("/")[2]: getattr(value, "value", value)
            for name, value in metadata.items()
            if name.startswith(f"{NAMESPACE}/")
        }
        return cls(**{name: texts.get(name) for name in cls.__dataclass_fields__})
