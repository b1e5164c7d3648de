"""Prices in databases: SQLite, DuckDB and PostgreSQL by tables, views and queries."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from tests.data.made_prices import made_prices
from tests.pool.servers import Postgres, free_port, require_postgres
from wf_dagster import Market, init
from wf_dagster.errors import DataError
from wf_dagster.market import price_source
from wf_dagster.prices import SqlPrices, columns, seldom
from wf_dagster.prices.sql_table import PriceTable

PRICES = made_prices(sessions=12, instruments=3).replace({"instrument": {"S001": "00700"}})
DAYS = pd.DatetimeIndex(PRICES["datetime"].unique())
EXPECTED = PRICES.set_index(["datetime", "instrument"]).sort_index()
Run = Callable[..., None]


@pytest.fixture(autouse=True)
def each_question_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seldom, "_SECONDS", 0.0)
    monkeypatch.setattr(seldom, "_TIMES", 0.0)


def run_statements(address: str, *statements: str) -> None:
    engine = sa.create_engine(address, poolclass=sa.NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def fill(address: str, table: pd.DataFrame = PRICES, day: str = "date") -> None:
    """Write a table ``prices`` with a column of days of that type."""
    rows = table.assign(datetime=table.datetime.dt.strftime("%Y-%m-%d"))
    quote = [f"('{d}', '{i}', {c!r}, {v!r})" for d, i, c, v in rows.itertuples(index=False)]
    columns = f"(datetime {day}, instrument varchar(9), close float(53), volume float(53))"
    if address.startswith("duckdb"):
        columns = columns.replace("float(53)", "double")
    run_statements(
        address,
        "drop table if exists prices cascade" if "postgres" in address else "select 1",
        f"create table prices {columns}",
        f"insert into prices values {', '.join(quote)}",
    )


@pytest.fixture(params=["sqlite", "duckdb", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with a table ``prices``."""
    if request.param == "postgresql":
        address = request.getfixturevalue("postgresql")
    else:
        address = f"{request.param}:///{tmp_path}/market.db"
    fill(address)
    return address


# ---- what is read


@pytest.mark.integration
def test_a_table_and_a_query_are_read(address: str) -> None:
    table = SqlPrices(address, table="prices")
    pd.testing.assert_frame_equal(table.load(), EXPECTED)
    query = SqlPrices(
        address,
        query="select datetime, instrument, close + 0 as close from prices "
        "where instrument <> 'S002' and 'a:b %' <> '' ;",
    )
    wanted = EXPECTED.drop("S002", level="instrument")[["close"]]
    pd.testing.assert_frame_equal(query.load(), wanted)
    for source in (table, query):
        assert price_source(source.spec()).version() == source.version()


@pytest.mark.integration
def test_fields_instruments_and_dates_are_selected_by_the_database(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "_HELD", {})  # this process may have read them before
    rows = []
    read = PriceTable.read_rows
    monkeypatch.setattr(
        PriceTable,
        "read_rows",
        lambda self, selection: rows.append(read(self, selection)) or rows[-1],
    )
    source = price_source(f"{address}#prices", as_of=DAYS[8])
    frame = source.load(["volume"], ["00700", "S002"], DAYS[2], DAYS[10])
    wanted = EXPECTED.loc[(slice(DAYS[2], DAYS[8]), ["00700", "S002"]), ["volume"]]
    pd.testing.assert_frame_equal(frame, wanted)
    assert [(len(r), list(r.columns)[2:]) for r in rows] == [
        (36, ["close"]),
        (14, ["close", "volume"]),
    ]
    assert source.last_session() == DAYS[8]
    assert len(rows) == 2


@pytest.mark.parametrize("day", ["text", "date", "timestamp"])
def test_days_may_be_stored_as_text_and_with_a_time(tmp_path: Path, day: str) -> None:
    address = f"duckdb:///{tmp_path}/market.db"
    fill(address, day=day)
    frame = price_source(f"{address}#prices").load(["volume"], None, DAYS[2], DAYS[4])
    pd.testing.assert_frame_equal(frame, EXPECTED.loc[DAYS[2] : DAYS[4], ["volume"]])


def test_days_and_symbols_may_be_numbers(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path}/market.db"
    run_statements(
        address,
        "create table p (datetime integer, instrument integer, close real, volume integer)",
        "insert into p values (20200102, 7, 1.5, 3), (20200103, 7, 2.5, 4), (20200103, 8, 1, 5)",
    )
    frame = price_source(f"{address}#p").load(["volume"], ["7"], "2020-01-03")
    assert frame["volume"].to_dict() == {(pd.Timestamp("2020-01-03"), "7"): 4.0}


# ---- the content


CHANGES = {
    "a close": "update prices set close = close + 0.001 where instrument = 'S002' "
    "and datetime = '2020-01-03'",
    "a volume": "update prices set volume = volume + 1 where instrument = 'S002' "
    "and datetime = '2020-01-03'",
    "no close": "update prices set close = null where instrument = 'S002' "
    "and datetime = '2020-01-03'",
    "two closes change places": "update prices set close = (select sum(p.close) from prices p "
    "where p.instrument = 'S002' and p.datetime in ('2020-01-03', '2020-01-06')) - close where "
    "instrument = 'S002' and datetime in ('2020-01-03', '2020-01-06')",
    "a row less": "delete from prices where instrument = 'S002' and datetime = '2020-01-03'",
    "another name": "update prices set instrument = 'S003' where instrument = 'S002'",
}


@pytest.mark.integration
@pytest.mark.parametrize("change", CHANGES)
def test_the_version_changes_with_any_price(address: str, change: str) -> None:
    source = price_source(f"{address}#prices")
    before, closes = source.version(), source.load(["close"])
    assert source.version() == before
    run_statements(address, CHANGES[change])
    assert source.version() != before
    if change != "a volume":
        assert not source.load(["close"]).equals(closes)


# ---- how it is named


def test_a_table_is_named_by_an_address_a_mapping_and_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(f"sqlite:///{tmp_path}/market.db")
    monkeypatch.chdir(tmp_path)
    query = "select datetime, instrument, close from prices"
    for spec in (
        "sqlite:///market.db#prices",
        "sqlite:///market.db#main.prices",
        f"sqlite:///market.db#{query}",
        {"path": "sqlite:///market.db", "table": "prices"},
        {"path": "sqlite:///market.db", "query": query, "as_of": str(DAYS[4].date())},
    ):
        market = pickle.loads(pickle.dumps(Market(spec)))
        monkeypatch.chdir("/")  # where a worker may stand
        as_of = DAYS[4] if isinstance(spec, dict) and "as_of" in spec else DAYS[-1]
        assert market.last_session == as_of
        assert market == Market(market._prices)
        assert str(tmp_path) in repr(market)
        monkeypatch.chdir(tmp_path)
    init(prices="sqlite:///market.db#prices", calendar="prices")
    assert Market().last_session == DAYS[-1]


@pytest.mark.parametrize(
    "spec",
    [
        {"path": "sqlite:///p.db#prices", "table": "prices"},
        {"path": "sqlite:///p.db", "table": "prices", "query": "select 1"},
    ],
)
def test_two_sources_at_one_address_are_refused(spec: dict[str, str]) -> None:
    with pytest.raises(DataError, match="a table and a query are two sources; name one of them"):
        price_source(spec)


# ---- bad input


@pytest.mark.integration
def test_what_a_database_lacks_is_named_with_what_it_has(address: str) -> None:
    for name, message in {
        "": r"names no table: write it behind #, as in .*#prices; it has .*prices",
        "#price": r"#price' cannot be read: .*price\b.*; it has .*prices",
        "#select datetim from prices": "cannot be read: .*datetim.* has .*prices",
        "#select datetime, instrument, volume from prices": "has no column 'close' .found: datet",
    }.items():
        with pytest.raises(DataError, match=message) as caught:
            price_source(f"{address}{name}").load()
        assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match=r"has no field 'open': it has close, volume"):
        price_source(f"{address}#prices").load(["open"])


@pytest.mark.integration
def test_rows_are_checked_as_those_of_a_file(address: str) -> None:
    source = price_source(f"{address}#prices")
    run_statements(address, "insert into prices values ('2020-01-03', 'S002', 1, 1)")
    with pytest.raises(
        DataError, match=r"#prices holds 1 duplicate rows, the first for S002 on 20"
    ):
        source.load()
    run_statements(address, "delete from prices where close = 1", "update prices set close = -1")
    with pytest.raises(DataError, match=r"#prices row 1: close is not positive"):
        source.load()
    run_statements(address, "delete from prices")
    with pytest.raises(DataError, match=r"#prices holds no rows"):
        source.load()


def test_a_missing_database_file_is_not_made(tmp_path: Path) -> None:
    for scheme in ("sqlite", "duckdb"):
        with pytest.raises(DataError, match=r"the database .*/no\.db does not exist"):
            price_source(f"{scheme}:///{tmp_path}/no.db#prices").load()
    assert not (tmp_path / "no.db").exists()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "p.db").write_text("no database, whatever its name says " * 99)
    for scheme in ("sqlite", "duckdb"):
        with pytest.raises(DataError, match=r"p\.db#prices' cannot be read: .*database"):
            price_source(f"{scheme}:///{tmp_path}/p.db#prices").load()


def test_a_database_that_is_not_reached_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"postgresql+psycopg://wf@127.0.0.1:{free_port()}/market#prices"
    with pytest.raises(DataError, match=r"#prices' cannot be read: connection .*failed") as caught:
        price_source(address).load()
    assert "\n" not in str(caught.value)
    for wrong, message in {
        "postgresql+nodriver://host/db#p": r'\(pip install "wf-dagster\[postgres\]"\)',
        "nodb://host/db#p": "install its SQLAlchemy dialect with pip",
        "postgresql://host:port/db#p": "is no address of a database|holds a password",
    }.items():
        with pytest.raises(DataError, match=message):
            price_source(wrong).load()


@pytest.mark.integration
def test_a_wrong_password_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    require_postgres()
    server = Postgres()
    try:
        server.start()
        fill(server.url)
        run_statements(
            server.url,
            "create role guarded login password 'right one'",
            "grant select on prices to guarded",
        )
        address = server.url.replace("wf@", "guarded:${PRICES_PASSWORD}@") + "#prices"
        source = Market(address).prices
        with pytest.raises(DataError, match="names the variable PRICES_PASSWORD, which is not set"):
            source.load()
        monkeypatch.setenv("PRICES_PASSWORD", "hunter@2")
        with pytest.raises(DataError, match="password authentication failed") as caught:
            source.load()
        assert "hunter" not in f"{caught.value}{source!r}{source.spec()}"
        monkeypatch.setenv("PRICES_PASSWORD", "right one")
        pd.testing.assert_frame_equal(source.load(), EXPECTED)
    finally:
        server.remove()
