"""What waits for a module or for a recorder is called then, and leaves nothing behind."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import sys
import threading
import time

import pytest

from wf_dagster.imports.after_import import (
    OpenBase,
    add_base_after_import,
    call_after_import,
    call_after_imports,
)
from wf_dagster.start_hooks import StartHooks

LATE = """
import sys
hooked = False  # nobody was told before this code has run
class Theirs: ...
"""


@pytest.fixture
def late_module(tmp_path, monkeypatch):
    """The name of a module that nothing has imported yet."""
    (tmp_path / "late_module_of_a_test.py").write_text(LATE)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield "late_module_of_a_test"
    sys.modules.pop("late_module_of_a_test", None)


def test_functions_are_called_after_the_import_and_the_loader_is_pythons_own(late_module):
    before = list(sys.meta_path)
    calls = []
    undo = [
        call_after_import(
            late_module, lambda n=n: calls.append((n, sys.modules[late_module].hooked))
        )
        for n in (1, 2)
    ]
    assert calls == []
    module = importlib.import_module(late_module)
    assert sorted(calls) == [(1, False), (2, False)]
    assert not type(module.__loader__).__module__.startswith("wf_dagster")
    assert module.__spec__.loader is module.__loader__
    for stop in undo:
        stop()
        stop()  # once is enough
    assert sys.meta_path == before
    call_after_import(late_module, lambda: calls.append("at once"))
    assert calls[-1] == "at once"
    assert sys.meta_path == before


def test_a_function_that_comes_while_the_module_runs_is_called_after_it(late_module, tmp_path):
    running = "from wf_dagster.imports.after_import import call_after_import\n"
    running += "calls = []\n"
    running += "call_after_import(__name__, lambda: calls.append(is_whole))\n"
    running += "call_after_import(__name__, lambda: calls.append('never'))()\n"
    running += "is_whole = True\n"
    (tmp_path / f"{late_module}.py").write_text(running)
    stop = call_after_imports([late_module], lambda name: sys.modules[name].calls.append(name))
    module = importlib.import_module(late_module)
    assert module.calls == [late_module, True]
    stop()


def test_a_module_that_another_thread_is_importing_is_waited_for(late_module, tmp_path):
    (tmp_path / f"{late_module}.py").write_text("import time\ntime.sleep(0.5)\nclass Theirs: ...\n")
    thread = threading.Thread(target=importlib.import_module, args=(late_module,))
    thread.start()
    while late_module not in sys.modules:
        time.sleep(0.01)

    class Own(OpenBase): ...

    add_base_after_import(Own, late_module, "Theirs")
    thread.join()
    assert issubclass(Own, sys.modules[late_module].Theirs)


def test_who_finds_a_module_that_is_waited_for_has_all_of_its_loader(late_module):
    undo = call_after_import(late_module, lambda: None)
    spec = importlib.util.find_spec(late_module)
    assert spec.loader.get_data(spec.origin).decode() == LATE
    assert copy.copy(spec.loader).get_data(spec.origin)
    assert not hasattr(spec.loader, "something")
    undo()


def test_a_base_is_added_when_its_module_is_there(late_module):
    class Ours(OpenBase):
        pass

    early = Ours()
    before = list(sys.meta_path)
    add_base_after_import(Ours, late_module, "Theirs")
    theirs = importlib.import_module(late_module).Theirs
    assert isinstance(early, theirs)
    assert Ours.__mro__[0] is Ours
    sys.meta_path[:] = before


events = []


def connect():
    events.append("connected")
    return lambda: events.append("undone")


@pytest.fixture
def hooks(late_module):
    events.clear()
    before = list(sys.meta_path)
    yield StartHooks({late_module: f"{__name__}:connect"})
    assert sys.meta_path == before


def test_a_hook_waits_for_its_module_and_is_undone_after_the_last_recorder(hooks, late_module):
    hooks.begin("first")
    hooks.begin("second")
    assert events == []
    importlib.import_module(late_module)
    assert events == ["connected"]
    hooks.end("first")
    hooks.end("never begun")
    assert events == ["connected"]
    hooks.end("second")
    assert events == ["connected", "undone"]
    hooks.begin("third")
    hooks.end("third")
    assert events == ["connected", "undone"] * 2


def test_without_its_module_a_hook_is_never_called(hooks):
    hooks.begin("first")
    hooks.end("first")
    assert events == []


def test_recorders_of_many_threads_connect_once_at_a_time(hooks, late_module):
    importlib.import_module(late_module)

    def work(n):
        for turn in range(200):
            hooks.begin(f"{n} {turn}")
            hooks.end(f"{n} {turn}")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert events == ["connected", "undone"] * (len(events) // 2)
    assert events
