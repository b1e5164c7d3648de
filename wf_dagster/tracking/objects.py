"""Objects as files: frames as Parquet, anything else as a pickle that is not trusted blindly."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from wf_dagster.errors import UnsafeObjectError
from wf_dagster.settings import get_settings

PARQUET = ".parquet"
_SERIES = b"wf_series"

# Only classes of these packages are loaded, and the functions named below: a function of a
# library (numpy.testing's runstring, pandas.eval, ...) can run code, a plain class cannot.
_PACKAGES = (
    "collections",
    "datetime",
    "decimal",
    "fractions",
    "lightgbm",
    "numpy",
    "pandas",
    "pathlib",
    "scipy.sparse",
    "sklearn",
    "uuid",
    "wf_dagster",
    "zoneinfo",
)
_REFUSED = ("numpy.distutils", "numpy.f2py", "numpy.testing", "pandas.io", "sklearn.externals")
_REFUSED_NAMES = {"memmap", "DataSource", "MLflowRecorder"}
_BUILTINS = {
    "bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list", "object",
    "range", "set", "slice", "str", "tuple",
}  # fmt: skip
_FUNCTIONS = {
    "_codecs.encode",
    "copyreg._reconstructor",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy._core.numeric._frombuffer",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy.core.numeric._frombuffer",
    "numpy.random._pickle.__bit_generator_ctor",
    "numpy.random._pickle.__generator_ctor",
    "numpy.random._pickle.__randomstate_ctor",
    "pandas._libs.internals._unpickle_block",
    "pandas._libs.tslibs.nattype._nat_unpickle",
    "pandas._libs.tslibs.timestamps._unpickle_timestamp",
    "pandas._libs.tslibs.timedeltas._timedelta_unpickle",
    "pandas._libs.tslibs.offsets._offset_unpickle",
    "pandas.core.indexes.base._new_Index",
    "pandas.core.indexes.datetimes._new_DatetimeIndex",
    "pandas.core.indexes.period._new_PeriodIndex",
}


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
    return _Unpickler(name, content, allow).load()


class _Unpickler(pickle.Unpickler):
    def __init__(self, name: str, content: bytes, allow: Sequence[str]) -> None:
        super().__init__(io.BytesIO(content))
        self._name = name
        trusted = get_settings().trusted_modules.split(",")
        self._allow = [m.strip() for m in [*allow, *trusted] if m.strip()]

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if _within(module, self._allow):
            return super().find_class(module, name)
        if full in _FUNCTIONS or (module == "builtins" and name in _BUILTINS):
            return super().find_class(module, name)
        cython = name.startswith("__pyx_unpickle_")
        if (
            _within(module, _PACKAGES)
            and not _within(module, _REFUSED)
            and name.split(".")[-1] not in _REFUSED_NAMES
        ):
            found = super().find_class(module, name)
            if isinstance(found, type) or cython:
                return found
        raise UnsafeObjectError(
            f"object {self._name!r} names {full}, which may run code when it is loaded: if you "
            f"trust whoever saved it, load it with allow=[{module!r}] or set "
            f"WF_TRUSTED_MODULES={module}"
        )


def _within(module: str, packages: Sequence[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


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
    from wf_dagster.tracking.frames import read_frame

    frame, metadata = read_frame(content)
    held = metadata.get(_SERIES)
    if held is None:
        return frame
    name, attrs = json.loads(held)
    series = frame["value"].rename(name)
    series.attrs = attrs
    return series
