"""Objects as files: frames as Parquet, anything else as a pickle that is not trusted blindly."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from wf_dagster.safe_pickle import loads

PARQUET = ".parquet"
_SERIES = b"wf_series"


def dump(name: str, value: Any) -> tuple[str, bytes]:
    """The file name and the content of an object."""
    if isinstance(value, (pd.DataFrame, pd.Series)):
        content = _parquet(value)
        if content is not None:
            return str(PurePosixPath(name).with_suffix(PARQUET)), content
    import cloudpickle

    return name, cloudpickle.dumps(value)


def names_of(name: str) -> list[str]:
    """The file names under which an object may be kept."""
    parquet = str(PurePosixPath(name).with_suffix(PARQUET))
    return [parquet, name] if parquet != name else [name]


def load(name: str, content: bytes, allow: Sequence[str] = ()) -> Any:
    """The object of a file.

    Args:
        name: Its file name.
        content: Its bytes.
        allow: Further modules whose classes a pickle may name.

    Raises:
        UnsafeObjectError: The pickle names something that is not allowed.
    """
    if name.endswith(PARQUET) or content[:4] == b"PAR1":
        return _from_parquet(content)
    return loads(content, name, allow)


def _parquet(value: pd.DataFrame | pd.Series) -> bytes | None:
    """As Parquet with index, dtypes and attrs; ``None`` if Parquet cannot hold it unchanged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    extra: dict[bytes, bytes] = {}
    frame = value
    if isinstance(value, pd.Series):
        if value.name is not None and not isinstance(value.name, str):
            return None
        frame = value.to_frame("value")
        extra[_SERIES] = json.dumps([value.name, dict(value.attrs)], default=str).encode()
    assert isinstance(frame, pd.DataFrame)
    names = frame.columns
    if not names.is_unique or names.inferred_type not in ("string", "mixed", "empty"):
        return None
    if isinstance(names, pd.MultiIndex) or any(not isinstance(n, str) for n in names):
        return None
    try:
        table = pa.Table.from_pandas(frame, preserve_index=True)
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), **extra})
        sink = io.BytesIO()
        pq.write_table(table, sink, compression="zstd")
    except (pa.ArrowException, TypeError, ValueError):
        return None
    return sink.getvalue()


def _from_parquet(content: bytes) -> Any:
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(content))
    frame = table.to_pandas()
    held = (table.schema.metadata or {}).get(_SERIES)
    if held is None:
        return frame
    name, attrs = json.loads(held)
    series = frame["value"].rename(name)
    series.attrs = attrs
    return series
