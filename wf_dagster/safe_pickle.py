"""Load pickles that are not trusted blindly."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Sequence
from typing import Any

from wf_dagster.errors import UnsafeObjectError
from wf_dagster.settings import get_settings

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


def loads(
    content: bytes,
    name: str,
    allow: Sequence[str] = (),
    references: Callable[[Any], Any] | None = None,
) -> Any:
    """The object of a pickle.

    Args:
        content: The pickle.
        name: What the object is called, for messages.
        allow: Further modules whose classes and functions the pickle may name.
        references: Finds the objects that the pickle only refers to (its persistent ids).

    Raises:
        UnsafeObjectError: It names something that is not allowed.
        pickle.UnpicklingError: It is no pickle.
    """
    trusted = get_settings().trusted_modules.split(",")
    allowed = [module.strip() for module in (*allow, *trusted) if module.strip()]
    return _Unpickler(content, name, allowed, references).load()


class _Unpickler(pickle.Unpickler):
    def __init__(
        self,
        content: bytes,
        name: str,
        allow: Sequence[str],
        references: Callable[[Any], Any] | None,
    ) -> None:
        super().__init__(io.BytesIO(content))
        self._name = name
        self._allow = allow
        self._references = references

    def persistent_load(self, reference: Any) -> Any:
        if self._references is None:
            raise pickle.UnpicklingError(f"object {self._name!r} refers to what is kept elsewhere")
        return self._references(reference)

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
