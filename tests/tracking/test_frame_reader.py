"""Frames come back from Parquet as they were saved, by the short way and by the long one."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wf_dagster.tracking import frame_reader, object_files

ROWS = pd.MultiIndex.from_tuples(
    [(pd.Timestamp("2021-03-02"), "B"), (pd.Timestamp("2021-03-01"), "C"),
     (pd.Timestamp("2021-03-02"), "A")],
    names=["datetime", "instrument"],
)  # fmt: skip
PRED = pd.DataFrame({"score": [0.5, np.nan, -1.0]}, ROWS)


def _attrs(frame):
    frame = frame.copy()
    frame.attrs["unit"] = "fraction"
    return frame


SHORT = {
    "predictions": PRED,
    "sorted": PRED.sort_index(),
    "several columns": PRED.assign(label=[1.0, 2.0, np.inf]),
    "used levels only": PRED.iloc[:1],
    "levels swapped": PRED.swaplevel(),
    "seconds": PRED.set_axis(ROWS.set_levels(ROWS.levels[0].as_unit("s"), level=0)),
    "not called so": PRED.rename_axis(["day", "stock"]),
    "columns in another order": pd.DataFrame({"z": [1.0] * 3, "a": [2.0] * 3}, ROWS),
}
LONG = {
    "no rows": PRED.iloc[:0],
    "one level": PRED.droplevel("instrument"),
    "three levels": PRED.assign(k=1).set_index("k", append=True),
    "numbered rows": PRED.reset_index(drop=True),
    "integers": PRED.assign(score=[1, 2, 3]),
    "texts": PRED.assign(score=["a", None, "b"]),
    "single precision": PRED.astype("float32"),
    "nullable": PRED.astype("Float64"),
    "attributes": _attrs(PRED),
    "named columns": PRED.rename_axis(columns="field"),
    "no names": PRED.rename_axis([None, None]),
    "time zone": PRED.set_axis(ROWS.set_levels(ROWS.levels[0].tz_localize("UTC"), level=0)),
    "numbers as instruments": PRED.set_axis(ROWS.set_levels([1, 2, 3], level=1)),
    "a missing label": PRED.set_axis(ROWS.set_codes([0, -1, 1], level=1)),
    "string dtype": PRED.set_axis(ROWS.set_levels(ROWS.levels[1].astype("string"), level=1)),
}


def _parquet(frame):
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=True), sink)
    return sink.getvalue()


@pytest.mark.parametrize("name", [*SHORT, *LONG])
def test_whatever_is_saved_comes_back(name):
    frame = {**SHORT, **LONG}[name]
    restored = object_files.load(*object_files.dump("pred.pkl", frame))
    pd.testing.assert_frame_equal(restored, frame)
    assert restored.attrs == frame.attrs


@pytest.mark.parametrize("name", [*SHORT, *LONG])
def test_a_frame_is_what_pyarrow_alone_would_make_of_it(name):
    frame = {**SHORT, **LONG}[name]
    content = _parquet(frame)
    restored, wanted = (
        frame_reader.read_frame(content)[0],
        pq.read_table(pa.BufferReader(content)).to_pandas(),
    )
    pd.testing.assert_frame_equal(restored, wanted)
    assert restored.attrs == wanted.attrs == frame.attrs
    if isinstance(frame.index, pd.MultiIndex):
        for level, wanted_level in zip(restored.index.levels, wanted.index.levels, strict=True):
            pd.testing.assert_index_equal(level, wanted_level)
        assert restored.index.is_monotonic_increasing == frame.index.is_monotonic_increasing


def test_predictions_come_back_as_they_were():
    for frame in (PRED, PRED.sort_index()):
        pd.testing.assert_frame_equal(
            object_files.load(*object_files.dump("pred.pkl", frame)), frame
        )


@pytest.mark.parametrize("name", [*SHORT, *LONG])
def test_only_the_common_kind_takes_the_short_way(name, monkeypatch):
    taken = []
    to_frame = frame_reader._to_frame
    monkeypatch.setattr(
        frame_reader, "_to_frame", lambda *parts: taken.append(1) or to_frame(*parts)
    )
    frame_reader.read_frame(_parquet({**SHORT, **LONG}[name]))
    assert bool(taken) == (name in SHORT)


def test_a_series_of_rows_keeps_its_name():
    for name in ("score", None):
        series = PRED["score"].rename(name)
        pd.testing.assert_series_equal(
            object_files.load(*object_files.dump("s.pkl", series)), series
        )


def test_a_frame_can_be_written_to(tmp_path):
    restored = object_files.load(*object_files.dump("pred.pkl", PRED))
    restored.iloc[0, 0] = 9.0
    restored["new"] = 1.0
    assert restored.iloc[0].tolist() == [9.0, 1.0]


def test_a_file_that_pandas_did_not_write_is_read_too(tmp_path):
    path = tmp_path / "plain.parquet"
    pq.write_table(pa.table({"a": [1.0, 2.0]}), path)
    assert object_files.load("plain.parquet", path.read_bytes())["a"].tolist() == [1.0, 2.0]
