"""Objects as files: frames as Parquet, anything else as a pickle."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

import pandas as pd

from wf_dagster.errors import BrokenObjectError, TrackingError
from wf_dagster.extras import extra_of, has_extra, pip_command
from wf_dagster.safe_pickle import loads
from wf_dagster.tracking.parquet_objects import MAGIC, from_parquet, to_parquet
from wf_dagster.tracking.saved_names import files_of

names_of = files_of
Unpickler = Callable[[BinaryIO], Any]  # of what it gives, load() is called
_MALFORMED = (
    pickle.UnpicklingError, EOFError, IndexError, KeyError, OSError, OverflowError, TypeError,
    ValueError,
)  # fmt: skip


def dump(name: str, value: Any, *, is_renamed: bool = True) -> tuple[str, bytes]:
    """The file name and the content of an object.

    A frame saved as ``pred.pkl`` becomes ``pred.parquet``; other names stay as they are.

    Args:
        name: The name that it is saved under.
        value: The object.
        is_renamed: ``False`` where that other file holds something else: frames stay pickles then.

    Raises:
        TrackingError: It cannot be pickled.
    """
    file = files_of(name)[0]
    if isinstance(value, (pd.DataFrame, pd.Series)) and (is_renamed or file == name):
        content = to_parquet(value)
        if content is not None:
            return file, content
    import cloudpickle

    try:
        return name, cloudpickle.dumps(value)
    except Exception as error:  # a class's own __reduce__ may raise anything
        raise TrackingError(
            f"object {name!r} ({type(value).__name__}) cannot be pickled ({error}): save a part "
            "of it that can, or save it to a file yourself and log_artifact that"
        ) from error


def load(
    name: str, content: bytes, allow: Sequence[str] = (), unpickler: Unpickler | None = None
) -> Any:
    """The object of a file.

    Args:
        name: Its file name.
        content: Its bytes.
        allow: Further modules that a pickle may name: those of the settings among them.
        unpickler: Reads a pickle in the place of the one that is safe.

    Raises:
        UnsafeObjectError: The pickle names something that is not allowed.
        BrokenObjectError: The file is neither Parquet nor a pickle, or a part of one.
    """
    try:
        if content[:4] == MAGIC:
            return from_parquet(content)
        if unpickler is not None:
            return unpickler(io.BytesIO(content)).load()
        return loads(content, name, allow)
    except TrackingError:
        raise
    except (ImportError, AttributeError) as error:
        here = f" (here is pandas {pd.__version__})" if "pandas" in str(error) else ""
        remedy = f"load it where the code it was saved with is installed{here}"
        extra = extra_of(error.name) if isinstance(error, ImportError) else None
        if extra and not has_extra(extra):
            remedy = pip_command(extra)
        raise BrokenObjectError(
            f"object {name!r} needs code that is not there ({error}): {remedy}"
        ) from error
    except _MALFORMED as error:
        raise BrokenObjectError(
            f"file {name!r} is no object that was saved here ({error}): read it with "
            "load_object(name, raw='bytes') or raw='path'"
        ) from error
