"""The asset of the prices, however it is named."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from wf_dagster.errors import SettingsError

PricesAsset = (
    dg.AssetKey | str | Sequence[str] | dg.AssetsDefinition | dg.SourceAsset | dg.AssetSpec
)


def asset_key_of(asset: PricesAsset) -> dg.AssetKey:
    """The key that an asset has, or that is meant.

    Args:
        asset: A key, its text (``/`` between the parts), its parts, or a definition of one asset.

    Raises:
        SettingsError: It is a definition of several assets.
    """
    if isinstance(asset, str):
        return dg.AssetKey.from_user_string(asset)
    if isinstance(asset, dg.AssetsDefinition) and len(asset.keys) != 1:
        keys = ", ".join(sorted(key.to_user_string() for key in asset.keys))
        raise SettingsError(f"the definition makes {len(asset.keys)} assets ({keys}): give a key")
    # first: a spec is a tuple too
    if isinstance(asset, dg.AssetsDefinition | dg.SourceAsset | dg.AssetSpec):
        return asset.key
    return dg.AssetKey.from_coercible(asset)
