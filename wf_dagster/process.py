"""All that changes a process: its hooks, its environment, its fork server, its copies.

Whatever here takes the place of something of Python's, or of a library's, says why, and is undone
when it is over. Nothing else in this project replaces what belongs to others.
"""

from __future__ import annotations

import atexit
import builtins
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import is_dataclass
from multiprocessing import util
from types import ModuleType
from typing import Any, NoReturn, TypeVar

import cloudpickle

from wf_dagster.errors import TrainingError
from wf_dagster.settings import restore, snapshot

T = TypeVar("T")

# processes of their own


def call_in_own_process(function: Callable[..., T], *args: object, **kwargs: object) -> T:
    """Call a function in a new process, which gives all memory back when it ends.

    Args:
        function: It must be importable; it is called with the settings of this process.
        *args: Its arguments, which must be picklable, as must be the result.
        **kwargs: More of them.

    Returns:
        What it returned.

    Raises:
        Exception: What it raised.
    """
    content = pack((function, args, kwargs))
    # spawned: a forked copy of a process with threads (MLflow's, the leases') can hang
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, restore, (snapshot(),)) as executor:
        with nullcontext() if is_main_importable() else main_module_hidden():
            future = executor.submit(_call_packed, content, get_chosen_start_method())
        result: T = future.result()
        return result


def _call_packed(content: bytes, start_method: str | None) -> Any:
    multiprocessing.set_start_method(start_method, force=True)
    function, args, kwargs = unpack(content)
    return function(*args, **kwargs)


def get_chosen_start_method() -> str | None:
    """How the program starts processes of multiprocessing's, ``None`` for the system's own way."""
    is_child = multiprocessing.parent_process() is not None  # it would say how it was started
    return None if is_child else multiprocessing.get_start_method(allow_none=True)


# what goes to another process


def is_main_importable() -> bool:
    """Whether other processes can import what stands for ``__main__`` here: a script's file.

    Not what is typed in: a notebook, ``python -c``, a pipe, or more at the prompt after a script.
    """
    file = getattr(_main_module(), "__file__", None)
    is_typed_in = hasattr(sys, "ps1") or hasattr(builtins, "__IPYTHON__")
    return isinstance(file, str) and os.path.isfile(file) and not is_typed_in  # noqa: PTH113


def pack(value: Any) -> bytes:
    """A value for another process of this program, which gets it with :func:`unpack`.

    Functions and classes go by their names; where ``__main__`` cannot be imported, what it holds
    goes by value, also what is named there in texts (``"__main__.Name"``, or a name beside
    ``"module_path": "__main__"``).

    Raises:
        TrainingError: A part of it can be sent neither way.
    """
    if is_main_importable():
        with suppress(Exception):  # defined inside a function: by value
            return pickle.dumps((value, {}))
    main = vars(_main_module())
    named = {name: main[name] for name in _names_in_main(value) if name in main}
    try:
        content: bytes = cloudpickle.dumps((value, named))
    except Exception as error:  # a class's own __reduce__ may raise anything
        raise TrainingError(
            f"what is defined in __main__ cannot be sent to another process ({error}): functions "
            "and classes of a notebook go there with all that they refer to, which must not be an "
            "open file, a lock or a connection; put them into a module of their own, or train in "
            "this process with WF_MAX_WORKERS=1"
        ) from error
    return content


def unpack(content: bytes) -> Any:
    """The value that another process of this program has packed.

    Raises:
        TrainingError: Something in it cannot be imported here.
    """
    try:
        value, named = pickle.loads(content)
    except Exception as error:  # an import of the user's may raise anything
        raise TrainingError(
            f"a worker process cannot import what is needed ({type(error).__name__}: {error}): put "
            "it into a module that can be imported everywhere (a folder on PYTHONPATH), or train "
            "in one process with WF_MAX_WORKERS=1"
        ) from error
    vars(sys.modules["__main__"]).update(named)
    return value


def _main_module() -> ModuleType:
    with _main_lock:  # it may be hidden for a moment
        return sys.modules["__main__"]


def save_main_by_value() -> None:
    """Let what is pickled by value (recorders' objects) hold the code of the script's copy.

    In a worker the script that was started is another module, which no other process knows.
    """
    copied = sys.modules.get("__mp_main__")
    if copied is not None:
        cloudpickle.register_pickle_by_value(copied)


def _names_in_main(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if value.startswith("__main__."):
            yield value.removeprefix("__main__.")
    elif isinstance(value, Mapping):
        if value.get("module_path") == "__main__":
            yield from (str(value[key]) for key in ("class", "func") if key in value)
        for inner in value.values():
            yield from _names_in_main(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _names_in_main(inner)
    elif is_dataclass(value) and not isinstance(value, type):
        yield from _names_in_main(vars(value))


def call_in_forked_children(function: Callable[[], object]) -> None:
    """Call a function in every process that is forked from this one, before anything else there.

    Threads, connections and what they belong to stay with the parent. Python knows no way to take
    this back; the function must do no harm where there is nothing to do.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=function)


# what takes the place of something that belongs to others


def replace_attribute(owner: object, name: str, value: object) -> Callable[[], None]:
    """Put something in the place of an attribute.

    Returns:
        Puts back what was there, unless somebody has put something else there since.
    """
    before = getattr(owner, name)
    setattr(owner, name, value)

    def undo() -> None:
        if getattr(owner, name) is value:
            setattr(owner, name, before)

    return undo


def nothing_to_undo() -> None:
    """What undoes that nothing was replaced."""


@contextmanager
def attribute_replaced(owner: object, name: str, value: object) -> Iterator[None]:
    """As :func:`replace_attribute`, inside the block."""
    undo = replace_attribute(owner, name, value)
    try:
        yield
    finally:
        undo()


@contextmanager
def attribute_preserved(owner: object, name: str) -> Iterator[None]:
    """Put an attribute back after the block, whatever was put in its place there."""
    before = getattr(owner, name)
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextmanager
def environment_variables(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables inside the block, for the processes that are started there."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def set_default_variables(variables: Mapping[str, str]) -> None:
    """Set environment variables that are not set, for libraries that read them when they like.

    They stay, because so do the libraries; what the user has set holds.
    """
    for name, value in variables.items():
        os.environ.setdefault(name, value)


# the ends of threads and of the process


class EndHooks:
    """Tell of what ends threads and this process, from :meth:`install` to :meth:`undo`.

    A run whose process has ended shows as RUNNING for ever, so what is open is to be ended with
    the process, and with the right status. Python tells nobody with which code ``sys.exit`` was
    called, nor, at the end of the interpreter, that a thread died; and SIGTERM ends a process
    without running anything.

    Args:
        on_end: Called when the interpreter ends, or a process of multiprocessing's.
        on_exit: Called with the exit that ``sys.exit`` raises in the main thread.
        on_thread_error: Called with the id of a thread and the exception that ended it.
        on_sigterm: Called with the exit that SIGTERM becomes; ``False`` if nothing is to be ended
            in order, so that the signal ends the process as it would without this.
    """

    def __init__(
        self,
        *,
        on_end: Callable[[], None],
        on_exit: Callable[[SystemExit], None],
        on_thread_error: Callable[[int | None, BaseException | None], None],
        on_sigterm: Callable[[SystemExit], bool],
    ) -> None:
        self._on_end = on_end
        self._on_exit = on_exit
        self._on_thread_error = on_thread_error
        self._on_sigterm = on_sigterm
        self._lock = threading.Lock()
        self._installed: ExitStack | None = None
        call_in_forked_children(self._undo_in_child)

    def install(self) -> None:
        """Install the hooks, unless they are; SIGTERM only from the main thread."""
        if _in_main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, self._terminate)  # else somebody handles it already
        with self._lock:
            if self._installed is None:
                self._installed = self._enter()

    def undo(self, is_needed: Callable[[], bool] = lambda: False) -> None:
        """Put back what was there before.

        Args:
            is_needed: Asked while nobody can install them: if so, they stay.
        """
        with self._lock:
            if is_needed():
                return
            if self._installed is not None:
                self._installed.close()
                self._installed = None
        if _in_main_thread() and signal.getsignal(signal.SIGTERM) == self._terminate:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _enter(self) -> ExitStack:
        stack = ExitStack()
        atexit.register(self._on_end)
        stack.callback(atexit.unregister, self._on_end)
        # atexit does not run in the processes that multiprocessing starts, this does
        stack.callback(util.Finalize(None, self._on_end, exitpriority=100).cancel)
        report, leave = threading.excepthook, sys.exit

        def report_and_note(args: Any) -> None:
            if args.thread is not None:
                self._on_thread_error(args.thread.ident, args.exc_value)
            report(args)

        def note_and_leave(status: Any = None) -> NoReturn:
            if _in_main_thread():
                self._on_exit(SystemExit(status))
            leave(status)

        stack.enter_context(attribute_replaced(threading, "excepthook", report_and_note))
        stack.enter_context(attribute_replaced(sys, "exit", note_and_leave))
        return stack

    def _terminate(self, number: int, _frame: Any) -> None:
        leaving = SystemExit(128 + number)
        if self._on_sigterm(leaving):
            raise leaving
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _undo_in_child(self) -> None:
        self._lock = threading.Lock()  # a thread that the child does not have may hold it
        self.undo()


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


# worker processes

_main_lock = threading.Lock()
_preload_before: list[str] | None = None  # of the fork server, while it is one of ours


def has_fork_server() -> bool:
    """Whether this system can fork workers from a process without threads."""
    return "forkserver" in multiprocessing.get_all_start_methods()


def start_fork_server(modules: Sequence[str], variables: Mapping[str, str]) -> None:
    """Start the fork server, which imports modules once for all workers.

    A forked copy of a process with threads (Dagster's, MLflow's) can hang; the fork server has
    none. Nothing happens if there is one already, or this system knows none.
    :func:`stop_fork_server` undoes it.

    Args:
        modules: What it imports, while the caller does something else.
        variables: Its environment variables beside those of this process.
    """
    global _preload_before
    if not has_fork_server():
        return
    from multiprocessing import forkserver  # not there on Windows

    server: Any = forkserver._forkserver
    if server._forkserver_pid is None and _preload_before is None:
        _preload_before = server._preload_modules
    if _preload_before is not None:
        forkserver.set_forkserver_preload(list(modules))
    with environment_variables(variables):
        forkserver.ensure_running()


def stop_fork_server() -> None:
    """End the fork server that :func:`start_fork_server` started: it holds what it has imported.

    Its workers would seem to have died: there must be none.
    """
    global _preload_before
    if _preload_before is None:
        return
    from multiprocessing import forkserver  # not there on Windows

    server: Any = forkserver._forkserver
    if server._forkserver_pid is not None:
        with suppress(ProcessLookupError):
            os.kill(server._forkserver_pid, signal.SIGTERM)  # it may be importing for seconds yet
        server._stop()
    server._preload_modules = _preload_before
    _preload_before = None


@contextmanager
def main_module_hidden() -> Iterator[None]:
    """Let the workers that start inside the block not import the script that was started.

    They would by themselves, and do all again that it does without asking for its
    ``__name__``, though only a task that names something of it needs that.
    """
    with _main_lock:  # or one thread would put back what another one has put there
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main
