"""What changes the process is undone when it is over."""

from __future__ import annotations

import os
import signal
import sys
import threading
from multiprocessing import forkserver
from types import SimpleNamespace

import pytest

from wf_dagster.process import (
    EndHooks,
    attribute_preserved,
    attribute_replaced,
    call_in_own_process,
    environment_variables,
    has_fork_server,
    main_module_hidden,
    replace_attribute,
    start_fork_server,
    stop_fork_server,
)


@pytest.fixture
def events():
    return []


@pytest.fixture
def hooks(events):
    hooks = EndHooks(
        on_end=lambda: events.append("end"),
        on_exit=lambda error: events.append(("exit", error.code)),
        on_thread_error=lambda _, error: events.append(("thread", type(error))),
        on_sigterm=lambda error: not events.append(("sigterm", error.code)),
    )
    yield hooks
    hooks.undo()


def test_an_attribute_is_put_back_unless_somebody_else_has_replaced_it():
    owner = SimpleNamespace(name=1)
    undo = replace_attribute(owner, "name", 2)
    assert owner.name == 2
    undo()
    assert owner.name == 1
    with attribute_replaced(owner, "name", 3):
        owner.name = 4
    assert owner.name == 4


def test_an_attribute_is_preserved_whatever_the_block_does():
    owner = SimpleNamespace(name=1)
    with pytest.raises(ValueError, match="no luck"), attribute_preserved(owner, "name"):  # noqa: PT012
        owner.name = 2
        raise ValueError("no luck")
    assert owner.name == 1


def test_environment_variables_hold_inside_the_block_only(monkeypatch):
    monkeypatch.setenv("WF_TEST_BEFORE", "1")
    with environment_variables({"WF_TEST_BEFORE": "2", "WF_TEST_NEW": "3"}):
        assert (os.environ["WF_TEST_BEFORE"], os.environ["WF_TEST_NEW"]) == ("2", "3")
    assert os.environ["WF_TEST_BEFORE"] == "1"
    assert "WF_TEST_NEW" not in os.environ


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_hooks_tell_of_exits_and_dead_threads_until_they_are_undone(hooks, events):
    before = (sys.exit, threading.excepthook)

    def die():
        raise ValueError("no luck")

    def leave_twice():
        for _ in range(2):
            thread = threading.Thread(target=die)
            thread.start()
            thread.join()
            with pytest.raises(SystemExit):
                sys.exit(3)
            hooks.undo()

    hooks.install()
    hooks.install()  # once is enough
    leave_twice()
    assert events == [("thread", ValueError), ("exit", 3)]
    assert (sys.exit, threading.excepthook) == before


def test_hooks_that_are_still_needed_stay(hooks, events):
    hooks.install()
    hooks.undo(is_needed=lambda: True)
    with pytest.raises(SystemExit):
        sys.exit(4)
    assert events == [("exit", 4)]


def test_sigterm_becomes_an_exit_while_the_hooks_are_installed(hooks, events):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    hooks.install()
    with pytest.raises(SystemExit) as caught:
        signal.raise_signal(signal.SIGTERM)
    assert caught.value.code == 128 + signal.SIGTERM
    assert events == [("sigterm", 128 + signal.SIGTERM)]
    hooks.undo()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_the_main_module_is_hidden_inside_the_block_only():
    main = sys.modules["__main__"]
    with main_module_hidden():
        assert vars(sys.modules["__main__"]).keys().isdisjoint({"__file__", "__path__"})
    assert sys.modules["__main__"] is main


@pytest.mark.skipif(not has_fork_server(), reason="this system knows no fork server")
def test_the_fork_server_and_what_it_imports_first_are_gone_after_its_end():
    call_in_own_process(start_and_stop_fork_server)  # this one may have one already


def start_and_stop_fork_server():
    server = forkserver._forkserver
    before = server._preload_modules
    start_fork_server(["json"], {"WF_TEST_NEW": "1"})
    assert server._forkserver_pid is not None
    assert server._preload_modules == ["json"]
    stop_fork_server()
    stop_fork_server()  # there is none
    assert server._forkserver_pid is None
    assert server._preload_modules == before
    assert "WF_TEST_NEW" not in os.environ


def test_a_function_is_called_in_another_process():
    assert call_in_own_process(os.getpid) != os.getpid()
    with pytest.raises(ZeroDivisionError):
        call_in_own_process(divmod, 1, 0)
