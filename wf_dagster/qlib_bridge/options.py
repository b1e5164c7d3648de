"""What Qlib is initialised with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

QLIB = "qlib"  # names Qlib's daily data; "qlib:30min" those of another frequency
DAILY = "day"


@dataclass(frozen=True)
class QlibOptions:
    """Arguments of ``qlib.init``, as plain values that go to worker processes.

    Attributes:
        provider_uri: Folder of Qlib's data; empty leaves it to ``arguments``, else to Qlib.
        region: ``"cn"``, ``"us"``, ``"tw"``; empty leaves it to Qlib.
        arguments: Further ones.
    """

    provider_uri: str = ""
    region: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def has_provider(self) -> bool:
        """Whether they say where Qlib's data are."""
        return bool(self.arguments.get("provider_uri") or self.provider_uri)

    def as_text(self) -> str:
        """The same text for the same options."""
        return json.dumps([self.provider_uri, self.region, self.arguments], sort_keys=True)


def freq_of(name: Any) -> str | None:
    """The frequency of Qlib's data that a name means; ``None`` if it names other data.

    Example:
        >>> freq_of("qlib"), freq_of("qlib:30min"), freq_of("sample")
        ('day', '30min', None)
    """
    if not isinstance(name, str):
        return None
    kind, colon, freq = name.partition(":")
    return (freq if colon else DAILY) if kind == QLIB else None


def name_of(freq: str) -> str:
    """What names Qlib's data of a frequency."""
    return QLIB if freq == DAILY else f"{QLIB}:{freq}"
