"""No asset key, check, job, schedule, sensor, op or option of the code location changes unseen."""

from __future__ import annotations

from tests.orchestration.definitions_graph import SNAPSHOT, definitions_graph, text_of


def test_the_graph_of_definitions_is_that_of_the_snapshot():
    """A change that is meant: ``python -m tests.orchestration.definitions_graph`` renews it."""
    from assets.definitions import defs  # loading it sets the home folder: that of this test

    assert text_of(definitions_graph(defs)) == SNAPSHOT.read_text()
