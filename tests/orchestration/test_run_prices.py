"""Prices that come through Dagster: from an IO manager of the host's, or with its resource."""

from __future__ import annotations

import pickle
import re
import sqlite3
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import polars as pl
import pytest

from tests.orchestration.frames.host import failure, run
from wf_dagster import Market
from wf_dagster.errors import DataError, SettingsError
from wf_dagster.orchestration import (
    AssetPrices,
    ResourcePrices,
    TrackingResource,
    build_online_schedule,
    build_rolling_assets,
    build_signals_asset,
)
from wf_dagster.orchestration.host_prices.price_refresh import refresh_prices
from wf_dagster.prices.price_spool import PriceSpool
from wf_dagster.rolling import RollingGen
from wf_dagster.tracking import find_recorders

NAMES = [f"{number:06d}" for number in range(1, 7)]
DAYS = pd.bdate_range("2023-01-02", "2024-03-29", name="datetime")
MONTHS = [f"{day:%Y-%m-%d}" for day in pd.date_range("2023-01-01", "2024-03-01", freq="MS")]
KEYS = ["2024-01-01", "2024-02-01", "2024-03-01"]
ROLLS = ["fund/recorders", "fund/predictions", "fund/labels"]
RANGE = {
    "dagster/asset_partition_range_start": KEYS[0],
    "dagster/asset_partition_range_end": KEYS[-1],
}


def made_prices() -> pd.DataFrame:
    """Closes of six instruments: columns datetime, instrument, close."""
    steps = np.random.default_rng(3).normal(0.0, 0.01, (len(DAYS), len(NAMES)))
    closes = 100 * np.exp(np.cumsum(steps, axis=0))
    wide = pd.DataFrame(closes, DAYS, pd.Index(NAMES, name="instrument"))
    return wide.stack().rename("close").reset_index()


def of_month(month: str) -> pd.DataFrame:
    prices = made_prices()
    return prices[prices["datetime"].dt.strftime("%Y-%m-01") == month]


def template() -> dict[str, Any]:
    return {
        "model": {
            "class": "SklearnModel",
            "module_path": "wf_dagster.models",
            "kwargs": {"estimator": "sklearn.linear_model.Ridge"},
        },
        "dataset": {
            "class": "PanelDataset",
            "module_path": "wf_dagster.data",
            "kwargs": {
                "segments": {
                    "train": ("2023-05-01", "2023-12-22"),
                    "test": (KEYS[0], "2024-03-29"),
                },
                "infer_processors": [{"class": "Fillna"}],
            },
        },
        "record": [{"class": "SignalRecord", "module_path": "wf_dagster.records"}],
    }


def fund(prices: Any, **options: Any) -> Any:
    generator = RollingGen("month", rtype=RollingGen.ROLL_SD, trunc_days=6)
    return build_rolling_assets(
        "fund", template(), generator, market=Market(prices, "prices"), **options
    )


class FolderStorage(dg.ConfigurableIOManager):
    """A host's IO manager: a Parquet file a partition, which it counts when it reads."""

    folder: str

    def _file(self, context: Any) -> Path:
        part = context.partition_key if context.has_partition_key else "whole"
        return Path(self.folder, f"{context.asset_key.to_python_identifier()}-{part}.parquet")

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        if isinstance(obj, pl.DataFrame):
            obj.write_parquet(self._file(context))
        elif obj is not None:
            obj.to_parquet(self._file(context))

    def load_input(self, context: dg.InputContext) -> Any:
        with Path(self.folder, "loads.txt").open("a") as log:
            log.write(f"{self._file(context).stem}\n")
        if context.dagster_type.typing_type is pl.DataFrame:
            return pl.read_parquet(self._file(context))
        return pd.read_parquet(self._file(context))

    @property
    def loads(self) -> list[str]:
        """What was loaded since the last look."""
        log = Path(self.folder, "loads.txt")
        lines = log.read_text().split() if log.exists() else []
        log.unlink(missing_ok=True)
        return [line.partition("-")[2] for line in lines]


@pytest.fixture
def storage(tmp_path) -> FolderStorage:
    (tmp_path / "storage").mkdir()
    return FolderStorage(folder=str(tmp_path / "storage"))


def monthly_asset(timezone: str = "America/New_York") -> dg.AssetsDefinition:
    months = dg.MonthlyPartitionsDefinition(MONTHS[0], timezone=timezone)

    @dg.asset(key=["vendor", "prices"], partitions_def=months)
    def prices(context) -> pd.DataFrame:
        return of_month(context.partition_key)

    return prices


def definitions(assets: list[Any], storage: Any, **resources: Any) -> dg.Definitions:
    return dg.Definitions(
        assets,
        resources={"tracking": TrackingResource(), "io_manager": storage, **resources},
        executor=dg.in_process_executor,
    )


def predictions() -> pd.DataFrame:
    """Those of all recorders, by roll."""
    frames = {r.list_tags()["roll"]: r.load_object("pred.pkl") for r in find_recorders("fund")}
    return pd.concat(frames[key] for key in sorted(frames))


def expected(tmp_path: Path, instance: dg.DagsterInstance) -> pd.DataFrame:
    """Predictions on the same prices in a file, of another strategy name."""
    path = tmp_path / "prices.parquet"
    made_prices().to_parquet(path)
    generator = RollingGen("month", rtype=RollingGen.ROLL_SD, trunc_days=6)
    assets = build_rolling_assets("file", template(), generator, market=Market(str(path), "prices"))
    defs = dg.Definitions(assets, resources={"tracking": TrackingResource()})
    result = run(defs, instance, [key.replace("fund", "file") for key in ROLLS], tags=RANGE)
    assert result.success, failure(result)
    frames = {r.list_tags()["roll"]: r.load_object("pred.pkl") for r in find_recorders("file")}
    return pd.concat(frames[key] for key in sorted(frames))


@pytest.mark.slow
@pytest.mark.parametrize("max_workers", [1, 2])
def test_the_partitions_of_an_asset_are_the_prices(instance, storage, tmp_path, max_workers):
    """Numbers are those of a file; each partition goes through the IO manager once."""
    prices = monthly_asset()
    strategy = fund(AssetPrices(prices), max_workers=max_workers)
    defs = definitions([prices, *strategy], storage)
    graph = defs.resolve_asset_graph()
    assert prices.key in graph.get(dg.AssetKey(["fund", "recorders"])).parent_keys
    for month in MONTHS:
        assert run(defs, instance, ["vendor/prices"], partition_key=month).success
    assert storage.loads == []
    result = run(defs, instance, ROLLS, tags=RANGE)
    assert result.success, failure(result)
    assert storage.loads == MONTHS
    pd.testing.assert_frame_equal(predictions(), expected(tmp_path, instance))
    market = find_recorders("fund")[0].list_params()
    assert str(tmp_path) not in " ".join(map(str, market.values()))
    # a month that was made anew is read again, and no other
    assert run(defs, instance, ["vendor/prices"], partition_key=MONTHS[3]).success
    assert run(defs, instance, ["fund/predictions"], partition_key=KEYS[0]).success
    assert storage.loads == [MONTHS[3]]
    assert run(defs, instance, ["fund/predictions"], partition_key=KEYS[0]).success
    assert storage.loads == []


class Warehouse(dg.ConfigurableResource):
    """A host's connection to a database."""

    path: str

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.path) as connection:
            return connection.execute(sql).fetchall()


class WarehousePrices(ResourcePrices):
    """A host's prices in its database."""

    required_resource_keys = frozenset({"warehouse"})

    def revision(self, context: dg.AssetExecutionContext) -> str:
        rows = context.resources.warehouse.query("select count(*), max(day) from prices")
        return str(rows[0])

    def read(self, context: dg.AssetExecutionContext) -> pl.DataFrame:
        rows = context.resources.warehouse.query("select * from prices order by day")
        schema = {"datetime": pl.String, "instrument": pl.String, "close": pl.Float64}
        frame = pl.DataFrame(rows, schema=schema, orient="row")
        return frame.with_columns(pl.col("datetime").str.to_date())


def warehouse(tmp_path: Path, until: str = "2024-12-31") -> Warehouse:
    prices = made_prices().assign(day=lambda table: table["datetime"].dt.strftime("%Y-%m-%d"))
    path = tmp_path / "warehouse.db"
    with sqlite3.connect(path) as connection:
        table = prices.loc[prices["day"] <= until, ["day", "instrument", "close"]]
        table.to_sql("prices", connection, index=False, if_exists="replace")
    return Warehouse(path=str(path))


@pytest.mark.slow
def test_prices_are_read_with_a_resource_of_the_host(instance, tmp_path):
    resource = warehouse(tmp_path)
    strategy = fund(WarehousePrices("warehouse"), max_workers=2)
    defs = definitions(strategy, dg.mem_io_manager, warehouse=resource)
    result = run(defs, instance, ROLLS, tags=RANGE)
    assert result.success, failure(result)
    pd.testing.assert_frame_equal(predictions(), expected(tmp_path, instance))


def test_definitions_load_and_say_that_nothing_was_read_yet(tmp_path):
    strategy = fund(WarehousePrices("warehouse"))
    defs = definitions(strategy, dg.mem_io_manager, warehouse=Warehouse(path="nowhere.db"))
    dg.Definitions.validate_loadable(defs)
    assert set(KEYS) <= set(strategy.spec.partitions.definition.get_partition_keys())
    with pytest.raises(DataError, match=r"the prices 'warehouse' were not read yet: a run of a"):
        strategy.spec.market.prices.sessions()


def test_what_leaves_dagster_is_the_description_of_a_copy():
    market = Market(WarehousePrices("warehouse"), "XNYS")
    pickled = pickle.loads(pickle.dumps(market))
    assert pickled == market
    assert hash(pickled) == hash(market)
    assert type(pickled.prices_description) is dict
    assert b"orchestration" not in pickle.dumps(market)
    assert isinstance(market.at("2024-01-31").prices_description, WarehousePrices)


def test_the_resource_is_missed_when_definitions_load():
    defs = definitions(fund(WarehousePrices("warehouse")), dg.mem_io_manager)
    with pytest.raises(dg.DagsterInvalidDefinitionError, match="'warehouse'"):
        dg.Definitions.validate_loadable(defs)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("create table prices as select '2024-01-01' day, 'A' instrument, -1.0 close",
         r"WarehousePrices\('warehouse'\) row 1: close is not positive"),
        ("create table prices (day, instrument, close)", r"holds no rows"),
    ],
)  # fmt: skip
def test_what_is_no_price_is_said_before_any_work(instance, tmp_path, table, message):
    resource = Warehouse(path=str(tmp_path / "bad.db"))
    resource.query(table)
    defs = definitions(fund(WarehousePrices("warehouse")), dg.mem_io_manager, warehouse=resource)
    result = run(defs, instance, ROLLS, partition_key=KEYS[0])
    assert not result.success
    assert re.search(message, failure(result))
    assert find_recorders("fund", status=None) == []


def test_an_asset_that_was_never_made_says_so(instance, storage):
    prices = monthly_asset()
    defs = definitions([prices, *fund(AssetPrices(prices))], storage)
    said = failure(run(defs, instance, ROLLS, partition_key=KEYS[0]))
    assert f"asset vendor/prices, {MONTHS[0]}, which holds the prices, cannot be loaded" in said
    assert "FileNotFoundError" in said
    assert "Materialize it first" in said


def test_prices_stay_where_another_dagster_instance_knows_of_few_partitions(instance, storage):
    prices = monthly_asset()
    market = Market(AssetPrices(prices), "prices")

    @dg.asset(deps=[dg.AssetDep(prices, partition_mapping=dg.AllPartitionMapping())])
    def reading(context) -> None:
        refresh_prices(market, context)

    defs = definitions([prices, reading], storage)
    for month in MONTHS[1:]:
        assert run(defs, instance, ["vendor/prices"], partition_key=month).success
    assert run(defs, instance, ["reading"]).success
    assert storage.loads == MONTHS[1:]
    before = PriceSpool("vendor/prices").file.read_bytes()
    with dg.instance_for_test() as fresh:
        assert run(defs, fresh, ["vendor/prices"], partition_key=MONTHS[3]).success
        result = run(defs, fresh, ["reading"])
        assert result.success, failure(result)
        lines = [record.user_message for record in fresh.all_logs(result.run_id)]
    assert storage.loads == [MONTHS[3]]
    assert PriceSpool("vendor/prices").file.read_bytes() == before
    (warning,) = [line for line in lines if "have no materialization" in line]
    unread = len(prices.partitions_def.get_partition_keys()) - len(MONTHS[1:])
    assert f"{unread} partitions of asset vendor/prices, such as {MONTHS[0]}, have" in warning
    assert "materialize them, or, where their values are stored already, report" in warning


def test_an_asset_of_another_code_location_is_to_be_listed(instance, storage):
    defs = definitions(fund(AssetPrices("vendor/prices")), storage)
    said = failure(run(defs, instance, ROLLS, partition_key=KEYS[0]))
    assert "is not in this code location, so that its IO manager is not known: list it" in said


def test_prices_of_a_run_need_a_name():
    with pytest.raises(SettingsError, match=r"WarehousePrices\(''\): prices of a run need a name"):
        WarehousePrices("")


@pytest.mark.slow
def test_an_asset_of_a_polars_repository_with_columns_of_its_own(instance, storage):
    @dg.asset
    def quotes() -> pl.DataFrame:
        return pl.from_pandas(made_prices()).rename({"datetime": "date", "instrument": "symbol"})

    prices = AssetPrices(
        quotes, columns={"date": "datetime", "symbol": "instrument"}, as_type=pl.DataFrame
    )
    defs = definitions([quotes, *fund(prices)], storage)
    assert run(defs, instance, ["quotes"]).success
    result = run(defs, instance, ROLLS, partition_key=KEYS[1])
    assert result.success, failure(result)
    assert storage.loads == ["whole"]
    days = predictions().index.unique("datetime")
    assert days.equals(DAYS[(DAYS >= "2024-02-01") & (DAYS < "2024-03-01")])


def test_the_schedule_asks_for_the_last_session_there_is(instance, tmp_path):
    """Whether the prices of the day have come only the run will know, as it reads them."""
    strategy = fund(WarehousePrices("warehouse"))
    resource = warehouse(tmp_path, until="2024-01-31")
    defs = definitions([*strategy, build_signals_asset([strategy])], dg.mem_io_manager,
                       warehouse=resource)  # fmt: skip
    schedule = build_online_schedule(strategy, "0 18 * * *", "America/New_York")
    defs = dg.Definitions.merge(defs, dg.Definitions(schedules=[schedule]))
    tick = pd.Timestamp("2024-02-01 18:00", tz="America/New_York").to_pydatetime()
    context = dg.build_schedule_context(
        instance=instance, scheduled_execution_time=tick, repository_def=defs.get_repository_def()
    )
    skipped = schedule.evaluate_tick(context).skip_message
    assert "the prices 'warehouse' were not read yet" in skipped
    run(defs, instance, ROLLS, partition_key=KEYS[1])  # it is not due, and its prices are read
    (request,) = schedule.evaluate_tick(context).run_requests
    assert request.run_config["ops"]["fund_rolls"]["config"]["online_session"] == "last"
    assert request.tags["wf_session"] == "2024-02-01"
