"""Load pickles that are not trusted blindly.

Loading a pickle may call anything it names. Here it may name classes of a few packages, make
their objects without running their constructors, and call a short list of functions; whatever
else it names is refused before it is called.
"""

from __future__ import annotations

import enum
import io
import pickle
import types
import zoneinfo
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from wf_dagster.errors import UnsafeObjectError
from wf_dagster.imports.module_history import find_present_module

# what the code of a notebook or script is named by, here and in worker processes
MAIN = frozenset({"__main__", "__mp_main__"})
_BY_VALUE = "cloudpickle.cloudpickle"
_PACKAGES = (
    "collections",
    "datetime",
    "decimal",
    "fractions",
    "lightgbm",
    "numpy",
    "pandas",
    "pathlib",
    "qlib",
    "scipy.sparse",
    "sklearn",
    "uuid",
    "wf_dagster",
    "xgboost",
    "zoneinfo",
)
_REFUSED = (
    "numpy.ctypeslib",
    "numpy.distutils",
    "numpy.f2py",
    "numpy.testing",
    "pandas.core.computation",
    "pandas.io",
    "pandas.testing",
    "pandas.util",
    "qlib.cli",
    "qlib.config",
    "qlib.tests",
    "sklearn.externals",
    "sklearn.utils._testing",
    "wf_dagster.cli",
    "wf_dagster.imports.module_files",  # whatever file it names, which importing runs
    "wf_dagster.orchestration",
    "wf_dagster.settings",
    "wf_dagster.tracking",
)
# scikit-learn before 1.8 names this module as if it stood alone
_FULL_NAMES = {"_loss": "sklearn._loss._loss"}
_REFUSED_NAMES = {"memmap", "DataSource", "PytestTester"}
_BUILTINS = {
    "bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list", "object",
    "range", "set", "slice", "str", "tuple",
}  # fmt: skip
_CALLABLE = {
    "_codecs.encode",
    "collections.Counter",
    "collections.OrderedDict",
    "collections.defaultdict",
    "collections.deque",
    "copyreg._reconstructor",
    "datetime.date",
    "datetime.datetime",
    "datetime.time",
    "datetime.timedelta",
    "datetime.timezone",
    "dateutil.relativedelta.relativedelta",
    "dateutil.tz.tz.tzutc",
    "decimal.Decimal",
    "fractions.Fraction",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy._core.numeric._frombuffer",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy.core.numeric._frombuffer",
    "numpy.dtype",
    "numpy.ma.core._mareconstruct",
    "numpy.random._pickle.__bit_generator_ctor",
    "numpy.random._pickle.__generator_ctor",
    "numpy.random._pickle.__randomstate_ctor",
    "pandas._libs.arrays.__pyx_unpickle_NDArrayBacked",
    "pandas._libs.internals._unpickle_block",
    "pandas._libs.interval.Interval",
    "builtins.Ellipsis",
    "pandas._libs.missing.NA",
    "pandas._libs.tslibs.nattype.__nat_unpickle",
    "pandas._libs.tslibs.nattype._nat_unpickle",
    "pandas._libs.tslibs.offsets._offset_unpickle",
    "pandas._libs.tslibs.period._unpickle_period",
    "pandas._libs.tslibs.period.Period",
    "pandas._libs.tslibs.timedeltas._timedelta_unpickle",
    "pandas._libs.tslibs.timestamps._unpickle_timestamp",
    "pandas.core.indexes.base._new_Index",
    "pandas.core.indexes.datetimes._new_DatetimeIndex",
    "pandas.core.indexes.interval._new_IntervalIndex",
    "pandas.core.indexes.period._new_PeriodIndex",
    "pandas.core.internals.managers.BlockManager",
    "pandas.core.internals.managers.SingleBlockManager",
    "pathlib.Path",
    "pathlib.PosixPath",
    "pathlib.PurePath",
    "pathlib.PurePosixPath",
    "pathlib.PureWindowsPath",
    "pathlib.WindowsPath",
    "pathlib._local.PosixPath",
    "pathlib._local.PurePosixPath",
    "pyarrow.lib._restore_array",
    "pyarrow.lib.chunked_array",
    "pyarrow.lib.py_buffer",
    "pyarrow.lib.type_for_alias",
    "pytz._UTC",
    "pytz._p",
    "sklearn.metrics._dist_metrics.newObj",
    "sklearn.neighbors._ball_tree.newObj",
    "sklearn.neighbors._kd_tree.newObj",
}
# functions that may be kept as a value, and are not called here
_VALUES = {"qlib.utils.data.robust_zscore", "qlib.utils.data.zscore"}
# classes whose constructors only wrap what they are given
_WRAPPERS = ("pandas.core.arrays", "pandas.core.dtypes.dtypes", "pandas.core.indexes")
_BASES = (object, dict, list, tuple, set, frozenset, str, int, float, bytes)


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
        allow: Further modules, packages or dotted names that the pickle may name and call; those
            of the setting ``trusted_modules`` are for the caller to add. ``"__main__"`` stands for
            functions and classes that it holds by value, as those of a notebook: their code may
            name anything, so nothing is refused.
        references: Finds the objects that the pickle only refers to (its persistent ids).

    Raises:
        UnsafeObjectError: It names something that is not allowed.
        pickle.UnpicklingError: It is no pickle.
    """
    return _Unpickler(content, name, tuple(allow), references).load()


# The pure Python unpickler, because only its steps can be checked one by one.
class _Unpickler(pickle._Unpickler):
    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)

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
        self._runs_code = not MAIN.isdisjoint(allow) or _within(_BY_VALUE, allow)
        self._is_of_main = any(name.encode() in content for name in MAIN)
        self._references = references
        self._callable: dict[int, Any] = {}

    def persistent_load(self, pid: Any) -> Any:
        if self._references is None:
            raise pickle.UnpicklingError(f"object {self._name!r} refers to what is kept elsewhere")
        return self._references(pid)

    def find_class(self, module: str, name: str) -> Any:
        if getattr(self, "proto", 0) < 3:  # these name modules as Python 2 did
            module, name = NAME_MAPPING.get((module, name), (module, name))
            module = IMPORT_MAPPING.get(module, module)
        module = find_present_module(_FULL_NAMES.get(module, module))
        full = f"{module}.{name}"
        if self._runs_code or _within(module, self._allow) or full in self._allow:
            return self._may_be_called(super().find_class(module, name))
        if full == "builtins.getattr":
            return self._may_be_called(self._attribute)
        if full in _CALLABLE or (module == "builtins" and name in _BUILTINS):
            return self._may_be_called(super().find_class(module, name))
        if not _allowed(module, name):
            raise self._unsafe(module, full)
        loaded = super().find_class(module, name)
        if full in _VALUES:
            return loaded
        # a dotted name may lead through a module of the package to one outside of it
        home = str(getattr(loaded, "__module__", None) or module)
        home = _FULL_NAMES.get(home, home)
        if name.startswith("__pyx_unpickle_") and home == module:
            return self._may_be_called(loaded)
        if not isinstance(loaded, type) or not _allowed(home, loaded.__name__):
            raise self._unsafe(module, full)
        if (
            _constructor_is_native(loaded)
            or issubclass(loaded, enum.Enum)
            or _within(home, _WRAPPERS)
        ):
            self._may_be_called(loaded)
        return loaded

    def _attribute(self, owner: Any, name: str) -> Any:
        """What stands for getattr: the one that time zones are pickled with."""
        if owner is not zoneinfo.ZoneInfo or name != "_unpickle":
            raise self._unsafe("builtins", "builtins.getattr")
        return self._may_be_called(owner._unpickle)  # type: ignore[attr-defined]

    def _may_be_called(self, loaded: Any) -> Any:
        self._callable[id(loaded)] = loaded
        return loaded

    def _unsafe(self, module: str, full: str) -> UnsafeObjectError:
        if module in MAIN or (module == _BY_VALUE and self._is_of_main):
            return UnsafeObjectError(
                f"object {self._name!r} holds code of a notebook or a script (its '__main__'), "
                "which runs when it is loaded: if you trust whoever saved it, load it with "
                "allow=['__main__'] or set WF_TRUSTED_MODULES=__main__ (the setting "
                "trusted_modules); classes in a module of their own are loaded by their names"
            )
        return UnsafeObjectError(
            f"object {self._name!r} names {full}, which may run code when it is loaded: if you "
            f"trust whoever saved it, load it with allow=[{module!r}] or set "
            f"WF_TRUSTED_MODULES={module}"
        )

    def _check_call(self, called: Any, arguments: Any) -> None:
        if self._runs_code:
            return
        module = str(getattr(called, "__module__", ""))
        full = f"{module}.{getattr(called, '__qualname__', type(called).__name__)}"
        if id(called) not in self._callable:
            raise self._unsafe(module, full)
        # it runs the constructor of the base class that it is given
        if full == "copyreg._reconstructor" and arguments[1] not in _BASES:
            raise self._unsafe(arguments[1].__module__, f"{full} with {arguments[1].__name__}")

    def load_reduce(self) -> None:
        self._check_call(self.stack[-2], self.stack[-1])  # type: ignore[attr-defined]
        super().load_reduce()  # type: ignore[misc]

    def _instantiate(self, klass: Any, arguments: Any) -> None:
        self._check_call(klass, arguments)
        super()._instantiate(klass, arguments)  # type: ignore[misc]

    def load_newobj(self) -> None:
        self._check_new(self.stack[-2])  # type: ignore[attr-defined]
        super().load_newobj()  # type: ignore[misc]

    def load_newobj_ex(self) -> None:
        self._check_new(self.stack[-3])  # type: ignore[attr-defined]
        super().load_newobj_ex()  # type: ignore[misc]

    def _check_new(self, kind: Any) -> None:
        """Most classes make their objects without code of their own; named tuples aside."""
        own = isinstance(getattr(kind, "__new__", None), types.FunctionType)
        if (
            own
            and not self._runs_code
            and id(kind) not in self._callable
            and not issubclass(kind, tuple)
        ):
            raise self._unsafe(kind.__module__, f"{kind.__module__}.{kind.__qualname__}")

    def load_build(self) -> None:
        changed = self.stack[-2]  # type: ignore[attr-defined]
        is_code = isinstance(changed, (type, types.ModuleType, types.FunctionType))
        if is_code and not self._runs_code:
            raise self._unsafe(str(changed.__module__), f"{changed.__name__} in order to change it")
        super().load_build()  # type: ignore[misc]

    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.NEWOBJ[0]] = load_newobj
    dispatch[pickle.NEWOBJ_EX[0]] = load_newobj_ex
    dispatch[pickle.BUILD[0]] = load_build


def _allowed(module: str, name: str) -> bool:
    return (
        _within(module, _PACKAGES)
        and not _within(module, _REFUSED)
        and name.rpartition(".")[2] not in _REFUSED_NAMES
        and not {"tests", "conftest", "__main__"} & set(module.split("."))
    )


def _within(module: str, packages: Sequence[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def _constructor_is_native(kind: type) -> bool:
    """Extension types are made by calling them; their constructors only fill memory."""
    constructors = (kind.__init__, kind.__new__, type(kind).__call__)  # type: ignore[misc]
    return not any(isinstance(method, types.FunctionType) for method in constructors)
