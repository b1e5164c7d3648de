"""Record the test data ``old_home.tar.xz`` and ``expected.json``: a home folder of version 0.1.0.

It was run with the package as it was at commit 202fd36, the last one before the source was
rearranged, and is kept to show how the folder came about. To run it again, with that version and
not with a later one (which would make a home of its own, not an old one)::

    git worktree add /tmp/old 202fd36
    cd / && PYTHONPATH=/tmp/old OMP_NUM_THREADS=1 DAGSTER_DISABLE_TELEMETRY=yes \\
        .venv/bin/python .../tests/homes/record_old_home.py

The home is recorded in a folder with a neutral name that must not be there before, outside of any
git repository; MLflow's database holds addresses in that folder. Names of the machine and of its
user are replaced, times are moved to the year of the prices, and the databases are vacuumed.
"""

from __future__ import annotations

import json
import lzma
import multiprocessing
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import old_home
import pandas as pd
from old_home import (
    ARCHIVE,
    BACKFILLED,
    BLEND,
    EXPECTED,
    MONTHLY,
    NOT_BEGUN,
    PRICES,
    RESULTS,
    SESSIONS,
    TRIALS,
    WORKED,
    describe_monthly_task,
    describe_session_task,
    describe_trial,
    make_monthly_gen,
    make_session_gen,
    make_strategies,
    summarize_frame,
)

import wf_dagster
from wf_dagster import (
    DelayTrainerR,
    DelayTrainerRM,
    OnlineManager,
    ParquetPrices,
    R,
    RollingGen,
    RollingStrategy,
    Rolls,
    TaskManager,
    TaskPoolResource,
    TrackingResource,
    TradingCalendar,
    TrainerRM,
    TrainingError,
    build_rolling_assets,
    build_signals_asset,
    fingerprint,
    train_rolls,
)
from wf_dagster.collect import collect_strategy

PLACE = Path(old_home.PLACE)
STARTED = pd.Timestamp("2022-06-06 06:00", tz="UTC")  # when the first run is said to have begun
NEUTRAL_TAGS = {
    "hostname": "machine",
    "mlflow.user": "user",
    "mlflow.source.name": "python",
    "cmd-sys.argv": "python",
}
TRAINERS = (TrainerRM, DelayTrainerR, DelayTrainerRM)
BIG_RESULT = "0123456789" * 100_001  # more than a pool keeps itself


def make_prices() -> pd.DataFrame:
    """Random walks of six instruments on the sessions of two and a half years."""
    sessions = TradingCalendar.from_exchange("XNYS", "2020-01-02", old_home.PRICES_END).sessions
    names = pd.Index([f"S{number}" for number in range(6)], name="instrument")
    steps = np.random.default_rng(0).normal(0.0, 0.02, (len(sessions), len(names)))
    close = pd.DataFrame(100 * np.exp(steps.cumsum(axis=0)), index=sessions, columns=names)
    close.index.name = "datetime"
    return close.round(3).stack().rename("close").reset_index()


def apply_settings(**more: Any) -> None:
    wf_dagster.init(home=PLACE, prices=PLACE / PRICES, max_workers=1, **more)


# strategies


@contextmanager
def open_dagster() -> Iterator[dg.DagsterInstance]:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DAGSTER_HOME"] = folder
        with dg.DagsterInstance.get() as instance:
            yield instance


def materialize(instance: dg.DagsterInstance, names: list[str], **options: Any) -> None:
    pool = TaskPoolResource()
    strategy = build_rolling_assets(
        MONTHLY, describe_monthly_task(), make_monthly_gen(), task_pool=pool
    )
    defs = dg.Definitions(
        assets=[*strategy, build_signals_asset([MONTHLY], key=BLEND)],
        resources={"tracking": TrackingResource()},
        executor=dg.in_process_executor,
    )
    job = defs.resolve_implicit_global_asset_job_def()
    keys = [dg.AssetKey(name.split("/")) for name in names]
    assert job.execute_in_process(asset_selection=keys, instance=instance, **options).success


def record_strategies() -> None:
    """One strategy by Dagster and its pool, one by hand; both go online and are worked through."""
    parts = [f"{MONTHLY}/{part}" for part in ("recorders", "predictions", "labels")]
    apply_settings(as_of=BACKFILLED)
    with open_dagster() as instance:
        span = ("2022-02-01", "2022-05-01")
        keys = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
        materialize(instance, parts, tags=dict(zip(keys, span, strict=True)))
        materialize(instance, [f"{MONTHLY}/collected", BLEND])
        materialize(
            instance,
            parts,
            partition_key=span[-1],
            run_config={"ops": {f"{MONTHLY}_rolls": {"config": {"online_session": BACKFILLED}}}},
            tags={"wf_session": BACKFILLED},
        )
    rolls = Rolls.from_template(describe_session_task(), make_session_gen(), name=SESSIONS)
    for outcome in train_rolls(rolls, SESSIONS, tags={"strategy": SESSIONS}):
        assert outcome.ok, outcome.error
    collect_strategy(SESSIONS, rolls)

    apply_settings()
    OnlineManager(make_strategies(), begin_time=BACKFILLED).adopt()
    for session in ("2022-05-23", "2022-05-26", "2022-05-31", "2022-06-01"):
        OnlineManager.from_store(make_strategies()).routine(session)
    manager = OnlineManager.from_store(make_strategies())
    manager.routine(WORKED)
    manager.to_pickle(PLACE / "manager.pkl")
    for trainer in TRAINERS:
        pooled = OnlineManager(
            make_strategy_not_begun(), trainer(NOT_BEGUN), begin_time=WORKED, name="none yet"
        )
        pooled.to_pickle(PLACE / f"manager_{trainer.__name__}.pkl")


def make_strategy_not_begun() -> RollingStrategy:
    """One with a calendar of its own, which a pickle of its manager holds."""
    calendar = TradingCalendar.from_exchange("XNYS", "2020-01-02", "2022-12-30", WORKED)
    generator = RollingGen(20, rtype=RollingGen.ROLL_SD, trunc_days=5, calendar=calendar)
    return RollingStrategy(NOT_BEGUN, describe_monthly_task(), generator)


# the pool


def record_pool() -> None:
    """Tasks in each status, by the trainers that leave them so."""
    ready = ParquetPrices(PLACE / PRICES)
    TrainerRM(TRIALS)([describe_trial(1.0), describe_trial(2.0), describe_trial(3.0, prices=ready)])
    DelayTrainerRM(TRIALS).train([describe_trial(4.0), describe_trial(5.0)])
    too_early = {"train": ("2020-01-02", "2020-01-08"), "test": ("2021-11-10", "2021-11-24")}
    with suppress(TrainingError):  # no feature is known that early
        TrainerRM(TRIALS).train([describe_trial(6.0, segments=too_early)])
    pool = TaskManager(TRIALS)
    held = pool.create_task([describe_trial(7.0)])
    assert pool.fetch_task({"_id": held[0]}) is not None  # this process ends and leaves it
    # a NumPy number makes the definition a pickle
    pool.create_task([describe_trial(8.0), describe_trial(np.float64(9.5))])
    pool.prioritize(next(pool.query({"filter.model.kwargs.alpha": 8.0})), 5.0)
    TaskManager(RESULTS).insert_task({"def": {"n": 1}, "status": "done", "res": BIG_RESULT})


# what is expected


def describe_recorder(recorder: Any) -> dict[str, Any]:
    tags = recorder.list_tags()
    wanted = ("fingerprint", "roll", "strategy", "online_status", "data_until", "wf_kind")
    wanted += ("train_status", "mlflow.parentRunId", "dagster_root_run_id", "dagster_run_id")
    frames = {}
    for name in ("pred", "label", "signals"):
        if f"{name}.pkl" in recorder.list_artifacts():
            frames[f"{name}.pkl"] = summarize_frame(recorder.load_object(f"{name}.pkl"))
    return {
        "name": recorder.name,
        "status": recorder.status,
        "tags": {key: tags[key] for key in wanted if key in tags},
        "metrics": {k: v for k, v in recorder.list_metrics().items() if "seconds" not in k},
        "artifacts": sorted(recorder.list_artifacts()),
        "frames": frames,
    }


def describe_strategy(strategy: RollingStrategy) -> dict[str, Any]:
    rolls = Rolls.from_template(strategy.task_template[0], strategy.rg)
    prints = {roll.key: fingerprint(roll.task) for roll in rolls}
    trained: dict[str, str] = {}
    for recorder in R.list_recorders(experiment_name=strategy.name_id).values():
        tags = recorder.list_tags()
        if recorder.status == "FINISHED" and "fingerprint" in tags:
            key = strategy.roll_key(recorder.load_object("task"))
            assert prints[key] == tags["fingerprint"]
            assert key not in trained
            trained[key] = recorder.id
    ledger = strategy.tool.state()
    return {
        "rolls": prints,
        "recorders": dict(sorted(trained.items())),
        "ledger": {
            "online": ledger.online,
            "next_online": ledger.next_online,
            "unlabelled": ledger.unlabelled,
            "changes": [[change.session, change.online] for change in ledger.changes],
            "sessions": ledger.sessions,
            "generation": ledger.generation,
        },
    }


def describe_tasks(name: str) -> dict[str, Any]:
    """The tasks of a pool by fingerprint."""
    described = {}
    for task in TaskManager(name).query():
        result = task.get("res")
        described[task["fingerprint"]] = {
            "_id": task["_id"],
            "status": task["status"],
            "attempts": task["attempts"],
            "result": len(result) if isinstance(result, str) else getattr(result, "id", None),
            "priority": task.get("priority"),
        }
    return described


def record_expectations() -> dict[str, Any]:
    apply_settings(as_of=WORKED)
    experiments = R.list_experiments()
    return {
        "experiments": {
            name: {r.id: describe_recorder(r) for r in experiment.search()}
            for name, experiment in sorted(experiments.items())
            if name != "Default"
        },
        "strategies": {s.name_id: describe_strategy(s) for s in make_strategies()},
        "signals": summarize_frame(OnlineManager.from_store(make_strategies()).get_signals()),
        "not_begun": [fingerprint(task) for task in make_strategy_not_begun().first_tasks()],
        "pools": {
            name: {"counts": TaskManager(name).task_stat(), "tasks": describe_tasks(name)}
            for name in TaskManager.list()
        },
    }


# what is kept


def neutralize(home: Path) -> None:
    """Take the machine, its user and the time of recording out of the databases."""
    database = sqlite3.connect(home / "mlflow.db")
    for key, value in NEUTRAL_TAGS.items():
        database.execute("UPDATE tags SET value = ? WHERE key = ?", (value, key))
    database.execute("DELETE FROM tags WHERE key LIKE 'env.%'")
    database.execute("DELETE FROM tags WHERE key LIKE 'mlflow.source.git.%'")
    database.execute("UPDATE runs SET user_id = 'user', source_name = ''")
    (first,) = database.execute("SELECT min(start_time) FROM runs").fetchone()
    moved = int(STARTED.timestamp() * 1000) - first
    for table, column in (
        ("runs", "start_time"),
        ("runs", "end_time"),
        ("metrics", "timestamp"),
        ("latest_metrics", "timestamp"),
        ("experiments", "creation_time"),
        ("experiments", "last_update_time"),
    ):
        database.execute(f"UPDATE {table} SET {column} = {column} + {moved}")
    beats = database.execute("SELECT run_uuid, value FROM tags WHERE key = 'wf_heartbeat'")
    for run, text in beats.fetchall():
        beat = json.loads(text)
        at = pd.Timestamp(beat["at"]) + pd.Timedelta(moved, "ms")
        beat |= {"host": "machine", "pid": 1, "started": 0.0}
        beat["at"] = at.isoformat(timespec="milliseconds")
        database.execute(
            "UPDATE tags SET value = ? WHERE run_uuid = ? AND key = 'wf_heartbeat'",
            (json.dumps(beat), run),
        )
    database.commit()
    database.execute("VACUUM")
    database.close()

    pool = sqlite3.connect(home / "tasks.db")
    pool.execute("UPDATE wf_tasks SET worker = 'machine:1' WHERE worker IS NOT NULL")
    # the process that had fetched it ended long ago
    ended = STARTED.timestamp()
    pool.execute("UPDATE wf_tasks SET lease_until = ? WHERE lease_until IS NOT NULL", (ended,))
    pool.commit()
    pool.execute("VACUUM")
    pool.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    pool.close()


def pack(home: Path) -> None:
    """The folder without what can be computed again, as an archive that is always the same."""
    for name in ("cache", "locks", "dagster"):
        shutil.rmtree(home / name, ignore_errors=True)
    for path in home.glob("*.lock"):
        path.unlink()
    assert not list(home.glob("*.db-*")), "a database is still open"
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]
    with (
        lzma.open(ARCHIVE, "wb", filters=filters) as file,
        tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in sorted(home.rglob("*")):
            if path.is_file():
                member = archive.gettarinfo(path, str(path.relative_to(home)))
                member.uid = member.gid = 0
                member.uname = member.gname = ""
                member.mode, member.mtime = 0o644, int(STARTED.timestamp())
                with path.open("rb") as content:
                    archive.addfile(member, content)


def record() -> None:
    os.chdir(PLACE)  # no git repository, so recorders hold no state of the code
    make_prices().to_parquet(PLACE / PRICES, index=False)
    record_strategies()
    record_pool()
    EXPECTED.write_text(json.dumps(record_expectations(), indent=1, sort_keys=True) + "\n")


def main() -> None:
    PLACE.mkdir(parents=True)
    recording = multiprocessing.get_context("spawn").Process(target=record)
    recording.start()
    recording.join()  # with it end its connections, and the lease of the task that it fetched
    assert recording.exitcode == 0
    neutralize(PLACE)
    pack(PLACE)


if __name__ == "__main__":
    main()
