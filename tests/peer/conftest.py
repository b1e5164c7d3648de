"""Scripts of Qlib's shape, run by plain Qlib and here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peer.running import Peer
from tests.pool.servers import Mongo, share_server
from tests.qlib.conftest import needs_qlib

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(needs_qlib)
            item.add_marker(pytest.mark.integration)
            item.add_marker(pytest.mark.timeout(1200))  # many processes; machines are busy


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Peer:
    """Runs scripts; plain Qlib's results are kept within a file of tests."""
    return Peer(tmp_path_factory.mktemp("peer"))


@pytest.fixture(scope="module")
def mongo(run_folder: Path) -> Iterator[str]:
    """The address of a server that speaks MongoDB's protocol."""
    with share_server(Mongo, run_folder) as url:
        yield url
