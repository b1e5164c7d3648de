"""Two code locations on one home: what the first has recorded is not the second's to replace."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)

from tests.online.market import made_prices, template
from wf_dagster import Market
from wf_dagster.errors import OwnerError, SettingsError
from wf_dagster.online.ledger import OnlineLedger
from wf_dagster.online.online_state import OnlineState
from wf_dagster.online.signal_store import load_signals, sources_of
from wf_dagster.orchestration import TrackingResource, build_rolling_assets, build_signals_asset
from wf_dagster.orchestration.steps.owners import check_experiments
from wf_dagster.rolling import RollingGen
from wf_dagster.tracking import find_recorders, read_owner, write_owner

ROOT = Path(__file__).parents[2]
SESSIONS = pd.bdate_range("2023-01-02", "2023-12-29", name="datetime")
NOV, DEC = "2023-11-01", "2023-12-01"
ROLLS = [dg.AssetKey(["mine", part]) for part in ("recorders", "predictions", "labels")]


@pytest.fixture
def prices(tmp_path):
    path = tmp_path / "prices.parquet"
    made_prices(SESSIONS).to_parquet(path)
    return path


def build(prices, name="mine", alpha=1.0, experiment=None):
    definition = template(alpha)
    segments = {"train": ("2023-03-01", "2023-10-25"), "test": (NOV, None)}
    definition["dataset"]["kwargs"]["segments"] = segments
    return build_rolling_assets(
        name,
        definition,
        RollingGen("month", trunc_days=4),
        market=Market(str(prices)),
        max_workers=1,
        experiment_name=experiment,
    )


def run_of(instance, assets, keys, location=None, module=None, range_of=(), config=None):
    """A run as Dagster launches it: with a code location, or from the command line, or neither."""
    defs = dg.Definitions(
        assets=assets, resources={"tracking": TrackingResource()}, executor=dg.in_process_executor
    )
    job = defs.resolve_implicit_global_asset_job_def().get_subset(asset_selection=set(keys))
    tags = {}
    if range_of:
        tags = {
            "dagster/asset_partition_range_start": range_of[0],
            "dagster/asset_partition_range_end": range_of[-1],
        }
    remote = code = None
    if location:
        repository = RemoteRepositoryOrigin(
            RegisteredCodeLocationOrigin(location), "__repository__"
        )
        remote = RemoteJobOrigin(repository, job.name)
    if module:
        pointer = ModuleCodePointer(module, "defs", None)
        code = JobPythonOrigin(job.name, RepositoryPythonOrigin(sys.executable, pointer))
    run = instance.create_run_for_job(
        job,
        tags=tags,
        run_config=config,
        remote_job_origin=remote,
        job_code_origin=code,
        asset_selection=frozenset(keys),
    )
    result = execute_run(InMemoryJob(job), run, instance, raise_on_error=False)
    return result, "\n".join(
        str(event.event_specific_data.error_display_string)
        for event in result.all_events
        if event.is_step_failure
    )


def backfill(instance, assets, keys=ROLLS, range_of=(NOV, DEC), **origin):
    return run_of(instance, assets, keys, range_of=range_of, **origin)


def test_a_strategy_of_the_same_name_in_another_location_trains_nothing(prices, instance):
    result, _ = backfill(instance, build(prices), location="desk", module="tests.support")
    assert result.success
    before = [r.id for r in find_recorders("mine", status=None)]
    assert len(before) == 2
    result, error = backfill(instance, build(prices, alpha=5.0), location="lab")
    assert not result.success
    assert "holds the recorders and online models of 'mine' of code location 'desk'" in error
    assert "this is 'mine' of code location 'lab'" in error
    assert "experiment_name of its own" in error
    assert [r.id for r in find_recorders("mine", status=None)] == before
    collected = [dg.AssetKey(["mine", "collected"])]
    result, error = run_of(instance, build(prices, alpha=5.0), collected, location="lab")
    assert "code location 'desk'" in error
    # its owner goes on, with another definition, under another name of the location, in a script
    for origin in ({"location": "desk"}, {"module": "tests.support"}, {}):
        result, error = backfill(
            instance, build(prices, alpha=3.0), range_of=(DEC, DEC), keys=ROLLS, **origin
        )
        assert result.success, error
    owner = read_owner("mine", "strategy")
    assert (owner.location, owner.part) == ("desk", "mine")
    assert owner.module == "tests.support"
    write_owner("mine", "strategy", None)
    result, error = backfill(instance, build(prices), location="lab", range_of=(DEC, DEC))
    assert result.success, error
    assert read_owner("mine", "strategy").location == "lab"


def test_two_strategies_with_one_experiment_are_refused(prices, instance):
    result, _ = backfill(instance, build(prices, experiment="shared"), location="desk")
    assert result.success
    other = build(prices, "other", experiment="shared")
    keys = [dg.AssetKey(["other", key.path[-1]]) for key in ROLLS]
    result, error = backfill(instance, other, keys, location="desk")
    assert not result.success
    assert "of 'mine' of code location 'desk'; this is 'other'" in error
    with pytest.raises(OwnerError, match="two strategies, 'mine' and 'other', name the exp"):
        check_experiments([("mine", "shared"), ("third", "third"), ("other", "shared")])
    with pytest.raises(SettingsError, match="'shared' is named for two strategies"):
        build_signals_asset(["mine", "other"], experiments=["shared", "shared"])


class Signals:
    """The signals of strategies in an experiment ``signals``."""

    def __init__(self, instance, prices, **origin):
        self.instance, self.prices, self.origin = instance, prices, origin

    def make(self, names, rolls=(NOV, DEC), over_write=False, train=True):
        assets = []
        for name in names:
            strategy = build(self.prices, name)
            assets += strategy
            keys = [dg.AssetKey([name, part]) for part in ("recorders", "predictions", "labels")]
            if train:
                assert backfill(self.instance, strategy, keys, range_of=rolls, **self.origin)[0]
            collected = [dg.AssetKey([name, "collected"])]
            assert run_of(self.instance, strategy, collected, **self.origin)[0].success
        config = {"ops": {"signals": {"config": {"over_write": over_write}}}}
        return run_of(
            self.instance,
            [*assets, build_signals_asset(names)],
            [dg.AssetKey("signals")],
            config=config,
            **self.origin,
        )


def test_signals_of_another_location_stay(prices, instance):
    result, error = Signals(instance, prices, location="desk").make(["mine"])
    assert result.success, error
    before = load_signals("signals")
    result, error = Signals(instance, prices, location="lab").make(["theirs"], (DEC, DEC))
    assert not result.success
    assert "holds the signals of 'signals' of code location 'desk'" in error
    assert "build_signals_asset(..., key=...)" in error
    pd.testing.assert_frame_equal(load_signals("signals"), before)


def test_signals_of_other_strategies_stay_unless_they_are_over_written(prices, instance):
    """In scripts, of which nobody knows whose they are."""
    signals = Signals(instance, prices)
    assert signals.make(["mine"])[0].success
    before = load_signals("signals")
    result, error = signals.make(["theirs"], (DEC, DEC))
    assert not result.success
    days = SESSIONS[SESSIONS >= NOV]
    december = SESSIONS[SESSIONS >= DEC]
    assert f"holds {6 * len(days)} signals of {len(days)} sessions, made of mine" in error
    lost = len(days) - len(december)
    assert f"{6 * lost} of them, of {lost} sessions, are not among the {6 * len(december)}" in error
    pd.testing.assert_frame_equal(load_signals("signals"), before)
    result, error = signals.make(["theirs"], train=False, over_write=True)
    assert result.success, error
    assert len(load_signals("signals")) == 6 * len(december)
    assert sources_of("signals") == ["theirs"]


def test_signals_that_were_sent_lose_no_row(prices, instance):
    """The strategy that was online is not averaged any more."""
    signals = Signals(instance, prices)
    assert signals.make(["mine", "theirs"])[0].success
    sent = load_signals("signals")
    OnlineLedger("mine").write(OnlineState().at_session("2023-12-29", []))
    result, error = signals.make(["theirs"], (DEC, DEC), train=False)
    assert result.success, error
    now = load_signals("signals")
    assert now.index.equals(sent.index)
    pd.testing.assert_frame_equal(now.loc[:"2023-12-28"], sent.loc[:"2023-12-28"])


def test_signals_of_backfills_alone_follow_their_strategy_with_a_count(prices, instance, caplog):
    signals = Signals(instance, prices)
    assert signals.make(["mine"])[0].success
    for recorder in find_recorders("mine"):
        if recorder.list_tags()["roll"] == NOV:
            recorder.set_tags(wf_kind="trial")
    result, error = signals.make(["mine"], train=False)
    assert result.success, error
    assert "none of them was online, so they are replaced" in caplog.text
    assert len(load_signals("signals")) == 6 * len(SESSIONS[SESSIONS >= DEC])


@pytest.mark.slow
def test_the_command_line_is_the_owner_however_it_names_the_module(prices, instance, tmp_path):
    """By file, by module; another project of that file name, and a second strategy, are refused."""
    build_text = f"""
import dagster as dg
import pandas as pd
from tests.orchestration.test_owners import build
from wf_dagster.orchestration import TrackingResource

defs = dg.Definitions(
    [*build({str(prices)!r})], resources={{"tracking": TrackingResource()}}
)
"""
    second = build_text.replace("[*build", "[*build(PRICES, 'other', experiment='mine'), *build")
    projects = {"one": build_text, "two": build_text, "three": second}
    for name, text in projects.items():
        (tmp_path / name).mkdir()
        text = text.replace("PRICES", repr(str(prices)))
        (tmp_path / name / "definitions.py").write_text(text)

    def materialize(project, *where):
        finished = subprocess.run(
            [sys.executable, "-m", "dagster", "asset", "materialize", *where,
             "--select", "mine/recorders", "--partition", DEC],
            cwd=tmp_path / project, capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path / project}"},
        )  # fmt: skip
        return finished.returncode, finished.stdout + finished.stderr

    code, text = materialize("one", "-f", "definitions.py")
    assert code == 0, text[-3000:]
    owner = read_owner("mine", "strategy")
    assert (owner.part, owner.module) == ("mine", "")
    assert owner.file == str((tmp_path / "one" / "definitions.py").resolve())
    code, text = materialize("one", "-m", "definitions")
    assert code == 0, text[-3000:]
    code, text = materialize("two", "-f", "definitions.py")
    assert code != 0
    assert f"file {tmp_path / 'one' / 'definitions.py'}" in text
    (tmp_path / "one" / "definitions.py").write_text(
        (tmp_path / "three" / "definitions.py").read_text()
    )
    code, text = materialize("one", "-f", "definitions.py")
    assert code != 0
    assert "two strategies, " in text
    assert "name the experiment 'mine'" in text
    assert len(find_recorders("mine")) == 2
