"""Prices at addresses: a web server, S3, the memory; what they say when they cannot be read."""

from __future__ import annotations

import functools
import http.server
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import fsspec
import pandas as pd
import pytest

from tests.data.made_prices import made_prices
from wf_dagster import Market, init
from wf_dagster.errors import DataError
from wf_dagster.market import price_source
from wf_dagster.prices import CsvPrices, ParquetPrices, file_listing, seldom
from wf_dagster.tasks import fingerprint

PRICES = made_prices(sessions=12, instruments=3)
DAYS = pd.DatetimeIndex(PRICES["datetime"].unique())
EXPECTED = PRICES.set_index(["datetime", "instrument"]).sort_index()


@pytest.fixture(autouse=True)
def each_question_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seldom, "_SECONDS", 0.0)
    monkeypatch.setattr(seldom, "_TIMES", 0.0)


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Not into the output of the tests."""


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a web server, and its folder."""
    folder = tmp_path / "web"
    folder.mkdir()
    handler = functools.partial(_Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()
        thread.join()


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a bucket on a server that speaks S3."""
    from moto.server import ThreadedMotoServer

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    bucket = f"prices-{uuid4().hex}"  # buckets outlive their server
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    fsspec.filesystem("s3", skip_instance_cache=True).mkdir(bucket)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    yield f"s3://{bucket}"
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    server.stop()


def put(table: pd.DataFrame, address: str) -> None:
    with fsspec.open(address, "wb") as file:
        (table.to_parquet if address.endswith(".parquet") else table.to_csv)(file, index=False)


# ---- what is read


@pytest.mark.integration
def test_a_file_of_a_web_server_is_read_and_read_again_when_it_changes(
    web: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("_SECONDS", "_TIMES"):  # for which a server is not asked again
        monkeypatch.setattr(seldom, limit, 0.0)
    address, folder = web
    PRICES.to_csv(folder / "p.csv.gz", index=False)
    PRICES.to_parquet(folder / "p.parquet")
    for name, kind in (("p.csv.gz", CsvPrices), ("p.parquet", ParquetPrices)):
        source = price_source(f"{address}/{name}")
        assert type(source) is kind
        pd.testing.assert_frame_equal(source.load(), EXPECTED)
    before = source.version()
    assert source.version() == before
    PRICES.assign(close=PRICES.close * 2).to_parquet(folder / "p.parquet")
    later = (folder / "p.parquet").stat().st_mtime + 2  # servers tell seconds
    os.utime(folder / "p.parquet", (later, later))
    assert source.version() != before
    pd.testing.assert_series_equal(source.load()["close"], EXPECTED["close"] * 2)


@pytest.mark.integration
def test_a_folder_on_s3_is_read_and_seen_to_change(s3: str) -> None:
    for name, part in PRICES.groupby("instrument"):
        put(part.drop(columns="instrument"), f"{s3}/us/instrument={name}/part-0.parquet")
    source = price_source(f"{s3}/us", as_of=DAYS[8])
    wanted = EXPECTED.loc[: DAYS[8]]
    pd.testing.assert_frame_equal(source.load(), wanted)
    again = price_source(source.spec())
    assert again.version() == source.version()
    pd.testing.assert_frame_equal(
        again.load(["volume"], ["S001"], DAYS[2]),
        EXPECTED.loc[(slice(DAYS[2], DAYS[8]), ["S001"]), ["volume"]],
    )
    before = source.version()
    restated = PRICES[PRICES.instrument == "S001"].drop(columns="instrument")
    put(restated.assign(close=restated.close + 1), f"{s3}/us/instrument=S001/part-0.parquet")
    assert source.version() != before
    closes = source.load(["close"])["close"].unstack()
    pd.testing.assert_series_equal(closes["S001"], wanted["close"].unstack()["S001"] + 1)


def test_an_address_is_the_prices_of_a_market_and_of_the_settings(tmp_path: Path) -> None:
    put(PRICES, "memory://market/p.parquet")
    market = Market("memory://market/p.parquet")
    assert market.calendar_name == "prices"
    assert market.calendar.last_session == DAYS[-1]
    assert "memory://market/p.parquet" in repr(market)
    init(prices="memory://market/p.parquet", calendar="prices")
    assert Market().last_session == DAYS[-1]
    PRICES.to_parquet(tmp_path / "p.parquet")
    here, there = Market(tmp_path / "p.parquet"), Market(f"file://{tmp_path}/p.parquet")
    assert there.prices.version() == here.prices.version()


def test_what_a_server_has_said_holds_for_some_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    put(PRICES, "memory://seldom/p.parquet")
    monkeypatch.setattr(seldom, "_SECONDS", 60.0)
    source = price_source("memory://seldom/p.parquet")
    before = source.version()
    put(PRICES.head(6), "memory://seldom/p.parquet")
    assert source.version() == before
    monkeypatch.setattr(seldom, "_answers", {})
    assert source.version() != before


def test_a_file_system_that_tells_nothing_is_asked_for_the_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(PRICES, "memory://bytes/p.parquet")
    monkeypatch.setattr(file_listing, "_STATES", ())
    source = price_source("memory://bytes/p.parquet")
    before = source.version()
    put(PRICES, "memory://bytes/p.parquet")
    assert source.version() == before
    put(PRICES.assign(close=1.0), "memory://bytes/p.parquet")
    assert source.version() != before


# ---- bad input


@pytest.mark.integration
def test_what_is_not_on_the_server_is_named(web: tuple[str, Path], s3: str) -> None:
    for address in (f"{web[0]}/p.parquet", f"{s3}/nothing", f"{s3}/p.csv", "memory://no/p.csv"):
        with pytest.raises(DataError, match="there is no such file or folder; check the address"):
            price_source(address).load()


def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(DataError, match=r"prices='http://127\.0\.0\.1:9/p\.csv' cannot be read: "):
        price_source("http://127.0.0.1:9/p.csv").load()


def test_a_file_system_that_is_not_installed_is_named_with_its_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    with pytest.raises(
        DataError, match=r'Install s3fs to access S3 \(pip install "wf-dagster\[s3\]"\)'
    ):
        price_source("s3://bucket/prices")
    with pytest.raises(DataError, match=r"install gcsfs .* \(install it with pip\)"):
        price_source("gs://bucket/prices")


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(DataError, match=r"prices='s4://bucket/p#t' cannot be opened: .*s4"):
        price_source("s4://bucket/p#t").load()


SECRETS = [
    "postgresql://wf:hunter2@host/db#prices",
    "postgresql+psycopg://wf:hun/ter2@host/db#prices",
    "postgresql://wf:h#unter2@host:5432/db#prices",
    "https://wf:hunter2@host/prices.csv",
    "postgresql://host/db?user=wf&password=hunter2#prices",
    "s3://bucket/prices?secret=hunter2",
]


@pytest.mark.parametrize("address", SECRETS)
@pytest.mark.parametrize("place", [Market, price_source, lambda a: Market({"path": a})])
def test_an_address_with_a_password_is_refused_before_it_is_recorded(
    address: str, place: type
) -> None:
    with pytest.raises(DataError, match=r"holds a password.*\$\{PRICES_PASSWORD\}") as caught:
        place(address)
    assert "unter2" not in str(caught.value)
    init(prices=address)
    with pytest.raises(DataError, match="holds a password") as caught:
        _ = Market().prices
    assert "unter2" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "https://host:8443/a@b/p.csv",
        "postgresql://wf@host:5432/db#t",
        "postgresql://[::1]:5432/d#t",
    ],
)
def test_a_port_is_no_password(address: str) -> None:
    assert address in repr(Market(address))


@pytest.mark.integration
def test_a_variable_is_filled_when_prices_are_read_and_shown_nowhere(
    web: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, folder = web
    PRICES.to_parquet(folder / "p.parquet")
    market = Market(f"{address}/${{PRICES_FILE}}.parquet")
    with pytest.raises(DataError, match="names the variable PRICES_FILE, which is not set"):
        _ = market.prices.version()
    before = fingerprint({"market": market})
    monkeypatch.setenv("PRICES_FILE", "p")
    pd.testing.assert_frame_equal(market.prices.load(), EXPECTED)
    monkeypatch.setenv("PRICES_FILE", "hunter2")
    with pytest.raises(DataError) as caught:
        market.prices.load()
    shown = f"{caught.value}{market!r}{market.prices!r}{market.prices.spec()}"
    assert "hunter2" not in shown
    assert "${PRICES_FILE}" in shown
    assert fingerprint({"market": market}) == before


def test_a_server_is_not_asked_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    put(PRICES, "memory://asked/p.parquet")
    monkeypatch.setattr(seldom, "_SECONDS", 60.0)
    market = Market("memory://asked/p.parquet")
    _ = market.calendar
    lookups = []
    listing = file_listing.list_elsewhere
    monkeypatch.setattr(
        "wf_dagster.prices.files.list_elsewhere",
        lambda address: lookups.append(address) or listing(address),
    )
    for _ in range(5):
        assert market.calendar.last_session == DAYS[-1]
    assert lookups == []
