"""What tests ask about processes."""

from __future__ import annotations

import subprocess
import sys

import psutil

from tests.support import is_running, wait_for_ends


def test_a_process_that_nobody_asked_for_yet_has_ended():
    child = subprocess.Popen([sys.executable, "-c", ""])
    assert wait_for_ends([psutil.Process(child.pid)], 30) == []
    assert psutil.pid_exists(child.pid)  # as a zombie
    assert not is_running(child.pid)
    child.wait()
    assert not is_running(child.pid)


def test_an_orphan_runs_until_it_ends():
    shell = "sleep 300 >&- 2>&- & echo $!"
    output = subprocess.run(["sh", "-c", shell], capture_output=True, check=True).stdout
    orphan = psutil.Process(int(output))
    assert is_running(orphan.pid)
    assert wait_for_ends([orphan], 0.0) == [orphan]
    orphan.kill()  # the first process of a container may never reap it
    assert wait_for_ends([orphan], 30) == []
