"""Prices that runs read through Dagster: from an asset of the host, or with a resource of its own.

They stand in a market as the description of the copy that runs keep in the home folder
(:class:`wf_dagster.prices.SpooledPrices`): whatever leaves Dagster, such as a worker process or a
record of a training, has that description and no more.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import dagster as dg
from typing_extensions import Self

from wf_dagster.errors import SettingsError
from wf_dagster.orchestration.host_prices.price_keys import PricesAsset, asset_key_of

if TYPE_CHECKING:
    from wf_dagster.market import Market
    from wf_dagster.prices.price_spool import Mark

_SPOOL = "wf_dagster.prices.SpooledPrices"


class RunPrices(Mapping[str, Any]):
    """Prices that a run reads when it begins; what else asks for them has those of the last run.

    Args:
        name: Which prices they are, in the home folder and in records.

    Attributes:
        required_resource_keys: The resources that are needed to read them.
    """

    required_resource_keys: frozenset[str] = frozenset()

    def __init__(self, name: str) -> None:
        if not isinstance(name, str) or not name.strip():
            raise SettingsError(
                f"{type(self).__name__}({name!r}): prices of a run need a name, under which they "
                "are kept and recorded, such as 'warehouse'"
            )
        self.name = name
        self._description = {"class": _SPOOL, "kwargs": {"name": name}}

    @property
    @abstractmethod
    def source(self) -> str:
        """What they are read from, for messages."""

    @abstractmethod
    def marks(self, context: dg.AssetExecutionContext) -> Mapping[str, Mark]:
        """The parts that there are, and what of each changes with it.

        A part whose mark is ``None`` is always read; one of which nothing is known stays as it is.
        """

    @abstractmethod
    def reader(
        self, context: dg.AssetExecutionContext
    ) -> AbstractContextManager[Callable[[str], Any]]:
        """What gives the frame of a part, while it is open."""

    def __getitem__(self, key: str) -> Any:
        return self._description[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._description)

    def __len__(self) -> int:
        return len(self._description)

    def __repr__(self) -> str:
        return repr(self._description)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: Any) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


class ResourcePrices(RunPrices):
    """Prices that are read with resources of the host: write :meth:`read` and :meth:`revision`.

    Example:
        >>> class Warehouse(ResourcePrices):
        ...     required_resource_keys = frozenset({"warehouse"})
        ...
        ...     def revision(self, context):
        ...         return context.resources.warehouse.last_update()
        ...
        ...     def read(self, context):
        ...         return context.resources.warehouse.query("select * from prices")
        >>> from wf_dagster import Market
        >>> Market(Warehouse("warehouse"), "XNYS").calendar_name
        'XNYS'
    """

    @abstractmethod
    def read(self, context: dg.AssetExecutionContext) -> Any:
        """All prices: a frame of pandas, Polars or Arrow.

        Args:
            context: That of the step: its resources are those of ``required_resource_keys``.

        Returns:
            Columns ``datetime``, ``instrument``, ``close`` and further fields; a row a session and
            instrument, sorted by day, or by instrument and day.
        """

    @abstractmethod
    def revision(self, context: dg.AssetExecutionContext) -> str | None:
        """What changes whenever a price changes; ``None`` has them read by each run."""

    @property
    def source(self) -> str:
        """The class, and the name."""
        kind = type(self)
        return f"{kind.__module__}.{kind.__qualname__}({self.name!r})"

    def marks(self, context: dg.AssetExecutionContext) -> Mapping[str, Mark]:
        """One part, whose mark is the revision."""
        revision = self.revision(context)
        return {"": None if revision is None else str(revision)}

    def reader(
        self, context: dg.AssetExecutionContext
    ) -> AbstractContextManager[Callable[[str], Any]]:
        """What reads all prices."""
        return nullcontext(lambda _part: self.read(context))


class AssetPrices(RunPrices):
    """Prices that are the value of an asset of the host, loaded through its IO manager.

    A strategy on such prices depends on the asset, without a ``prices_asset`` of its own. Of a
    partitioned asset a run loads the partitions that were materialized since the last run. Its
    value is a frame of pandas, Polars or Arrow with the columns ``datetime``, ``instrument``,
    ``close`` and further fields.

    Args:
        asset: The asset, or its key; it is one of the same code location.
        name: Under which the prices are kept and recorded; default the key.
        columns: Other names of columns, by the names that the asset gives them, for example
            ``{"date": "datetime", "symbol": "instrument"}``.
        as_type: What the IO manager is asked for, where it goes by type, such as
            ``polars.DataFrame``; default a pandas frame.

    Example:
        >>> from wf_dagster import Market
        >>> Market(AssetPrices("fund/prices"), "XNYS").calendar_name
        'XNYS'
    """

    def __init__(
        self,
        asset: PricesAsset,
        *,
        name: str | None = None,
        columns: Mapping[str, str] | None = None,
        as_type: type | None = None,
    ) -> None:
        self.asset = asset
        self.key = asset_key_of(asset)
        self.columns = dict(columns or {})
        self.as_type = as_type
        super().__init__(name or self.key.to_user_string())

    @property
    def source(self) -> str:
        """The asset."""
        return f"asset {self.key.to_user_string()}"

    def marks(self, context: dg.AssetExecutionContext) -> Mapping[str, Mark]:
        """The latest materialization of each partition."""
        from wf_dagster.orchestration.host_prices.asset_values import (
            find_marks,  # when something runs
        )

        return find_marks(context, self.key)

    def reader(
        self, context: dg.AssetExecutionContext
    ) -> AbstractContextManager[Callable[[str], Any]]:
        """What loads a partition through the IO manager."""
        from wf_dagster.orchestration.host_prices.asset_values import (
            open_reader,  # when something runs
        )

        return open_reader(context, self)


def run_prices(market: Market | None) -> RunPrices | None:
    """The prices of a market that runs read through Dagster; ``None`` where it has others."""
    prices = None if market is None else market.prices_description
    return prices if isinstance(prices, RunPrices) else None
