"""Merging many frames by their rows, on integer codes instead of labels.

pandas builds and hashes the labels of all rows; with a few million of them that is most of the
time of a collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wf_dagster.errors import CollectError
from wf_dagster.records.row_kinds import find_unlike_rows

Keys = npt.NDArray[np.int64]


class RowCodes:
    """One integer a row, in the order of the rows, for the indexes of several frames.

    Args:
        indexes: ``MultiIndex`` of two levels with the same names; no missing labels.
    """

    def __init__(self, indexes: Sequence[pd.MultiIndex]) -> None:
        self.names = indexes[0].names
        self.levels = [_unite_levels([index.levels[i] for index in indexes]) for i in range(2)]

    @staticmethod
    def fits(indexes: Sequence[pd.Index]) -> bool:
        """Whether all indexes have two levels, of the same names and of sortable labels."""
        first = indexes[0]
        if not isinstance(first, pd.MultiIndex) or first.nlevels != 2:
            return False
        kinds = [level.dtype for level in first.levels]
        return all(
            isinstance(index, pd.MultiIndex)
            and index.names == first.names
            and _is_sortable(index, kinds)
            for index in indexes
        )

    def keys(self, index: pd.MultiIndex) -> Keys:
        """The integers of an index's rows."""
        outer, inner = (
            self.levels[i].get_indexer(index.levels[i]).astype("int64")[index.codes[i]]
            for i in range(2)
        )
        keys: Keys = outer * len(self.levels[1]) + inner
        return keys

    def index(self, keys: Keys) -> pd.MultiIndex:
        """The index whose rows have these integers."""
        codes = np.divmod(keys, max(1, len(self.levels[1])))
        rows = pd.MultiIndex(
            levels=self.levels,  # type: ignore[arg-type]  # the stubs know lists only
            codes=codes,  # type: ignore[arg-type]
            names=self.names,
            verify_integrity=False,
        )
        return rows.remove_unused_levels()


def keep_last(keys: Keys) -> Keys:
    """Positions that sort the keys, of equal keys only the last."""
    if np.all(keys[1:] > keys[:-1]):
        return np.arange(len(keys))
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    return order[np.r_[ordered[1:] != ordered[:-1], True]] if len(keys) else order


def merge_frames(frames: Sequence[Any], names: Sequence[Any] | None = None) -> Any:
    """All rows, sorted; of a row that is in several frames, that of the last of them.

    Args:
        frames: Frames or series with the same kind of rows.
        names: What the frames are called, for messages.

    Raises:
        CollectError: The rows of two frames can never be equal, such as codes that are text and
            codes that are numbers.
    """
    indexes = [frame.index for frame in frames]
    if not RowCodes.fits(indexes):
        check_alike(dict(zip(names or range(1, len(frames) + 1), indexes, strict=True)))
        joined = pd.concat(frames)
        return joined[~joined.index.duplicated(keep="last")].sort_index()
    codes = RowCodes(indexes)
    keys = np.concatenate([codes.keys(index) for index in indexes])
    places = keep_last(keys)
    joined = pd.concat(frames, ignore_index=True).iloc[places]
    joined.index = codes.index(keys[places])
    return joined


def check_alike(indexes: Mapping[Any, pd.Index], who: str = "frames") -> None:
    """Refuse frames whose rows can never be equal.

    Args:
        indexes: Their indexes, by what the frames are called.
        who: What merges them, for the message.

    Raises:
        CollectError: Two of them are unlike; the message names both.
    """
    if (unlike := find_unlike_rows(indexes)) is not None:
        raise CollectError(f"{who} cannot be merged by their rows: {unlike}")


def look_up_rows(values: pd.Series, rows: pd.Index) -> npt.NDArray[np.float64]:
    """The value of each row, NaN where there is none.

    Args:
        values: Sorted, each row once, as :func:`merge_frames` gives them.
        rows: The rows that are asked for.
    """
    index = values.index
    if not (len(index) and RowCodes.fits([index, rows])):
        reindexed: npt.NDArray[np.float64] = values.reindex(rows).to_numpy(dtype="float64")
        return reindexed
    assert isinstance(index, pd.MultiIndex)
    assert isinstance(rows, pd.MultiIndex)
    codes = RowCodes([index, rows])
    keys, wanted = codes.keys(index), codes.keys(rows)
    places = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    row_values: npt.NDArray[np.float64] = values.to_numpy(dtype="float64")[places]
    row_values[keys[places] != wanted] = np.nan
    return row_values


def _is_sortable(index: pd.MultiIndex, kinds: Sequence[Any]) -> bool:
    """Whether the labels are sortable, of these dtypes, and none is missing."""
    return [level.dtype for level in index.levels] == kinds and all(
        level.inferred_type in ("string", "datetime64", "integer", "empty")
        and (len(index) == 0 or int(np.min(codes)) >= 0)
        for level, codes in zip(index.levels, index.codes, strict=True)
    )


def _unite_levels(levels: Sequence[pd.Index]) -> pd.Index:
    labels = levels[0].append(list(levels[1:])) if len(levels) > 1 else levels[0]
    return labels.unique().sort_values()
