"""Processors at full speed: to the bit what Qlib's own make."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wf_dagster
from tests.qlib.bridge_calls import initialise_qlib, make_dataset, reload
from tests.qlib.provider import seeded_panel, write_provider
from tests.qlib.qlib_tasks import few_expressions

FIT = {"fit_start_time": "2020-01-03", "fit_end_time": "2020-01-20"}
MAKERS = {
    "robust": lambda qlibs, group: qlibs.RobustZScoreNorm(**FIT, fields_group=group),
    "robust, not clipped": lambda qlibs, group: qlibs.RobustZScoreNorm(
        **FIT, fields_group=group, clip_outlier=False
    ),
    "z": lambda qlibs, group: qlibs.ZScoreNorm(**FIT, fields_group=group),
    "min-max": lambda qlibs, group: qlibs.MinMaxNorm(**FIT, fields_group=group),
    "fill": lambda qlibs, group: qlibs.Fillna(fields_group=group),
    "fill with 2": lambda qlibs, group: qlibs.Fillna(fields_group=group, fill_value=2),
    "fill with what 32 bits cannot hold": lambda qlibs, group: qlibs.Fillna(group, fill_value=0.1),
    "rank": lambda qlibs, group: qlibs.CSRankNorm(fields_group=group),
    "infinite": lambda qlibs, group: qlibs.ProcessInf(),
    "drop": lambda qlibs, group: qlibs.DropnaProcessor(fields_group=group),
}
COLUMNS = {
    "as usual": [("feature", "A"), ("feature", "B"), ("feature", "C"), ("label", "L")],
    "labels first": [("label", "L"), ("feature", "A"), ("feature", "B")],
    "features alone": [("feature", "A"), ("feature", "B")],
    "one feature": [("feature", "A"), ("label", "L")],
    "mingled": [("feature", "A"), ("label", "L"), ("feature", "B")],
}


@st.composite
def frames(draw):
    """Rows of 20 days and 4 instruments, with gaps, infinities, constant and empty columns."""
    columns = pd.MultiIndex.from_tuples(COLUMNS[draw(st.sampled_from(sorted(COLUMNS)))])
    days = pd.bdate_range("2020-01-01", periods=20, name="datetime")
    rows = pd.MultiIndex.from_product([days, list("wxyz")], names=["datetime", "instrument"])
    random = np.random.default_rng(draw(st.integers(0, 999)))
    values = random.standard_t(3, (len(rows), len(columns)))
    values[random.random(values.shape) < draw(st.sampled_from([0, 0.2]))] = np.nan
    if draw(st.booleans()):
        values[3, 0] = np.inf
    if draw(st.booleans()):  # several of a day, and all of another
        values[5, -1], values[6, -1], values[8:12, 0] = np.inf, -np.inf, np.inf
    if draw(st.booleans()):
        values[:, 0] = draw(st.sampled_from([0.0, 7.0, np.nan]))
    frame = pd.DataFrame(values, index=rows, columns=columns).astype("float32")
    wide = draw(st.sampled_from(["feature", "label", "none"]))
    return frame.astype({column: "float64" for column in columns if column[0] == wide})


@pytest.fixture(scope="module")
def qlibs():
    """Qlib's processors."""
    from qlib.data.dataset import processor

    return processor


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MAKERS)
@settings(deadline=None)  # how long it takes depends on what else runs
@given(frame=frames())
def test_the_same_as_qlibs_own(qlibs, name, frame):
    from wf_dagster.qlib_engine.block_processors import run_processor

    processor = MAKERS[name](qlibs, "feature")
    processor.fit(frame)
    theirs = processor(frame.copy())
    ours = run_processor(frame.copy(), processor)
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True, check_column_type=True)
    assert ours.columns.names == theirs.columns.names
    for group in ours.columns.get_level_values(0).unique():
        mine, its = (result.copy()[group].to_numpy() for result in (ours, theirs))
        assert mine.tobytes("A") == its.tobytes("A")
        assert mine.flags.f_contiguous == its.flags.f_contiguous  # sums depend on the order


def test_what_is_processed_at_full_speed(qlibs):
    """The common ones do not fall back to Qlib's way, or nothing above would have tested them."""
    from wf_dagster.qlib_engine import block_processors as processors

    frame = seeded_frame()
    for name in ("robust", "z", "min-max", "fill", "infinite"):
        processor = MAKERS[name](qlibs, "feature")
        processor.fit(frame)
        assert processors._IN_BLOCKS[type(processor)](frame.copy(), processor) is not None


def seeded_frame():
    rows = pd.MultiIndex.from_product(
        [pd.bdate_range("2020-01-01", periods=20), list("wxyz")], names=["datetime", "instrument"]
    )
    columns = pd.MultiIndex.from_tuples(COLUMNS["as usual"])
    values = np.random.default_rng(0).standard_normal((len(rows), len(columns)))
    return pd.DataFrame(values.astype("float32"), index=rows, columns=columns)


def test_a_processor_derived_from_one_of_qlibs_keeps_its_own_way(qlibs):
    from wf_dagster.qlib_engine.block_processors import run_processor

    class Shifted(qlibs.Fillna):
        def __call__(self, df):
            return super().__call__(df) + 1

    result = run_processor(seeded_frame(), Shifted("feature"))
    pd.testing.assert_frame_equal(result, seeded_frame() + 1)


def test_what_qlib_fills_in_its_own_way(qlibs):
    from wf_dagster.qlib_engine.block_processors import run_processor

    frame = seeded_frame()
    frame.iloc[3:5, 0] = np.nan
    flat = frame.droplevel(0, axis=1)
    for filled, processor in (
        (flat, qlibs.Fillna("A")),
        (frame, qlibs.Fillna("feature", True)),
        (frame, qlibs.Fillna("feature", "x")),
        (frame, qlibs.Fillna("feature", {"A": 3.0})),
        (frame, qlibs.Fillna()),
    ):
        theirs = processor(filled.copy())
        pd.testing.assert_frame_equal(run_processor(filled.copy(), processor), theirs)


class TestReload:
    @pytest.fixture
    def dataset(self, tmp_path):
        """A dataset as a recorder gives it back: fitted, without data."""
        folder = write_provider(tmp_path / "data", seeded_panel(5, 220))
        wf_dagster.init(qlib_provider_uri=str(folder), qlib_region="us")
        initialise_qlib()
        fit = ("2019-02-01", "2019-06-28")
        handler = few_expressions("2019-02-01", "2019-09-30", fit)
        result = make_dataset(
            {
                "class": "DatasetH",
                "module_path": "qlib.data.dataset",
                "kwargs": {"handler": handler, "segments": {"test": ("2019-07-01", "2019-09-30")}},
            }
        )
        result.config(dump_all=False, recursive=True)
        return pickle.loads(pickle.dumps(result))

    def test_the_data_are_those_of_qlibs_own(self, dataset, tmp_path):
        from qlib.data.dataset.handler import DataHandlerLP

        theirs = copy.deepcopy(dataset)
        theirs.setup_data(handler_kwargs={"init_type": DataHandlerLP.IT_LS})
        reload(dataset)
        for part in ("_data", "_infer", "_learn"):
            pd.testing.assert_frame_equal(
                getattr(dataset.handler, part), getattr(theirs.handler, part), check_exact=True
            )
        assert "_run_proc_l" not in vars(dataset.handler)

    def test_a_processor_that_is_not_for_inference_is_refused(self, dataset, qlibs):
        dataset.handler.infer_processors.append(qlibs.DropnaLabel())
        with pytest.raises(TypeError, match="usable for inference"):
            reload(dataset)
        assert "_run_proc_l" not in vars(dataset.handler)

    def test_a_handler_with_a_way_of_its_own_keeps_it(self):
        from qlib.data.dataset.handler import DataHandlerLP

        from wf_dagster.qlib_engine.block_processors import process_in_blocks

        class Own(DataHandlerLP):
            @staticmethod
            def _run_proc_l(df, proc_l, with_fit, check_for_infer):
                return df

        handler = Own.from_df(seeded_frame())
        with process_in_blocks(handler):
            assert "_run_proc_l" not in vars(handler)
