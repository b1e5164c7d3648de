"""What a strategy's definition gets wrong, all of it in one message, when definitions load.

No price is read, and nothing heavy is imported where the signatures of what the template names are
known from before (:mod:`wf_dagster.tasks.signature_book`).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from wf_dagster.errors import TaskError, WfError
from wf_dagster.log_once import warn_once
from wf_dagster.market import Market
from wf_dagster.prices.place_checks import find_place_mistakes
from wf_dagster.qlib_bridge.options import freq_of
from wf_dagster.qlib_bridge.qlib_classes import names_qlib
from wf_dagster.rolling.rolling_gen import RollingGen
from wf_dagster.tasks.config import class_path, fill_placeholders, nearest_name
from wf_dagster.tasks.instrument_names import INSTRUMENTS, find_instrument_mistakes, names_file
from wf_dagster.tasks.label_functions import label_reach
from wf_dagster.tasks.named_parts import find_part_mistakes, foresee_paths, read_part
from wf_dagster.tasks.record_dates import describe_dates_of_rolls
from wf_dagster.tasks.record_split import needs_training
from wf_dagster.tasks.schema import (
    find_form_mistakes,
    find_misspelt_keys,
    get_segments,
    list_records,
)
from wf_dagster.tasks.segment_checks import find_name_mistakes
from wf_dagster.tasks.signature_book import SignatureBook, home_book
from wf_dagster.tasks.signatures import Signature, read_signature

_PANEL = "wf_dagster.data.dataset.PanelDataset"
_EXCHANGES = (
    "exchange_calendars.calendar_utils.default_calendar_names",
    "exchange_calendars.calendar_utils._default_calendar_aliases",
)
_NO_EXCHANGES = {"", "prices", "own"}
_LOOK_AHEAD = (
    "Rolls that were trained otherwise stay in MLflow, and are no longer collected: train them "
    "anew, or go on with them by allow_look_ahead=True"
)
_log = logging.getLogger(__name__)


def check_definition(
    name: str,
    template: Mapping[str, Any],
    generator: RollingGen,
    market: Market,
    allow_look_ahead: bool = False,
    analyses: Sequence[Any] = (),
) -> RollingGen:
    """Check a strategy when its definitions load; no price is read.

    Args:
        name: Of the strategy, for messages.
        template: The task of the first roll.
        generator: How its segments move on.
        market: On whose sessions it rolls.
        allow_look_ahead: Whether the labels that models learn from may reach into the test segment.
        analyses: Records that are computed on the collected predictions.

    Returns:
        The generator that the strategy rolls with: where ``trunc_days`` is not said, and how far
        the label reaches is known, that is its ``trunc_days``; and its tasks know whether late
        labels fail their training.

    Raises:
        TaskError: The template is wrong; the message holds all that is wrong, or ``trunc_days`` is
            less than the label reaches.
        WfError: One thing alone is wrong: of the kind that it is of.
    """
    definition = _Definition(template, generator, market, analyses)
    mistakes = list(definition.find_mistakes())
    reach = None if mistakes else definition.reach
    if reach is not None and not allow_look_ahead:
        mistakes += _find_look_ahead(generator.trunc_days, reach)
    _raise(name, mistakes)
    for sentence in describe_dates_of_rolls(template):
        warn_once(_log, f"strategy {name!r}: {sentence}")
    if allow_look_ahead:
        return generator.with_look_ahead()
    if names_qlib({"dataset": template.get("dataset")}):
        return generator  # as Qlib has it: what is late is warned of when it is measured
    if generator.trunc_days is None and reach:
        _log.warning(
            "strategy %r: its label reaches %d sessions and its RollingGen has no trunc_days: "
            "trunc_days=%d is taken, so that no label is known later than the first test session; "
            "write it down. %s",
            *(name, reach, reach, _LOOK_AHEAD),
        )
    return generator.without_look_ahead(reach)


@dataclass
class _Definition:
    """A strategy before it has rolls."""

    template: Any
    generator: RollingGen
    market: Market
    analyses: Sequence[Any] = ()

    @cached_property
    def book(self) -> SignatureBook:
        return home_book()

    @property
    def reach(self) -> int | None:
        """Sessions after which the label is known; ``None`` where it does not say."""
        try:
            return label_reach(self.template, self._read)
        except TaskError:  # a dataset of the user's own, with labels of another kind
            return None

    def find_mistakes(self) -> Iterator[WfError]:
        form = list(find_form_mistakes(self.template, calendar=self.market.own_calendar))
        yield from form
        if not isinstance(self.template, Mapping):
            return
        if not names_qlib(self.template):  # a task of Qlib's may have keys for whatever reads it
            yield from find_misspelt_keys(self.template)
        of_parts = ("model", "dataset is", "dataset.c", "dataset.f", "dataset.m", "record")
        if not any(str(error).startswith(of_parts) for error in form):
            yield from self._find_part_mistakes()
            yield from self._find_placeholder_mistakes()
        if self.analyses:
            yield from self._find_analysis_mistakes()
        yield from self._find_segment_mistakes()
        yield from self._find_market_mistakes()
        yield from self._find_panel_mistakes()

    def _read(self, what: Any) -> Signature:
        known = self.book.look_up([what])[what] if isinstance(what, str) else read_signature(what)
        if isinstance(known, TaskError):
            raise known
        return known or Signature("function", takes_any=True)

    def _find_part_mistakes(self) -> Iterator[TaskError]:
        try:
            exchanges = _EXCHANGES if self._exchange else ()
            self.book.look_up([*exchanges, *sorted(foresee_paths(self.template))])
            yield from find_part_mistakes(self.template, self.book.look_up)
        except TaskError as error:  # a name that does not say where it is
            yield error

    @property
    def _exchange(self) -> str | None:
        """The exchange that was named as the calendar."""
        code = self.market.calendar_name
        return None if code in _NO_EXCHANGES or freq_of(code) else code

    def _find_placeholder_mistakes(self) -> Iterator[TaskError]:
        known = {"<MODEL>": None, "<DATASET>": None, "<PRED>": None}
        for where, record in list_records(self.template):
            try:
                fill_placeholders(record, known, task=self.template, where=where)
            except TaskError as error:
                yield error

    def _find_analysis_mistakes(self) -> Iterator[TaskError]:
        """Those of a task whose records they were, and records that need a model."""
        task = {**self.template, "record": list(self.analyses)}
        records = {"record": [record for _, record in list_records(task)]}
        mistakes = [error for error in find_form_mistakes(task) if str(error).startswith("record")]
        try:
            if not mistakes:
                mistakes = list(find_part_mistakes(records, self.book.look_up))
            if not mistakes:
                mistakes = [
                    TaskError(
                        f"{where} {record!r} needs a model or a dataset, and the collected "
                        "predictions are of many: put it into the record of the template"
                    )
                    for where, record in list_records(records)
                    if needs_training(record, where, self.book.look_up)
                ]
        except TaskError as error:  # a name that does not say where it is
            mistakes = [error]
        for mistake in mistakes:
            yield TaskError(re.sub("^record", "analyses", str(mistake)))

    def _find_segment_mistakes(self) -> Iterator[TaskError]:
        try:
            segments = get_segments(self.template)
        except TaskError:  # it is among those of the form
            return
        model = self.template.get("model")
        path = class_path(model) if isinstance(model, Mapping) else model
        learns = isinstance(path, str) and path.startswith(("wf_dagster.models.", "qlib."))
        test, train = self.generator.test_key, self.generator.train_key
        yield from find_name_mistakes(segments or {}, test, train, learns)

    def _find_market_mistakes(self) -> Iterator[WfError]:
        prices, look_up = self.market.prices_description, self.book.look_up
        if not freq_of(prices if isinstance(prices, str) else None):
            yield from find_place_mistakes(prices, "prices", look_up)
        code = self._exchange
        if code is None:
            return
        tables = [k for k in look_up(_EXCHANGES).values() if isinstance(k, Signature)]
        codes = [code for known in tables for code in known.elements]
        if len(tables) == len(_EXCHANGES) and code not in codes:
            hint = nearest_name(code.upper(), codes) or ", such as 'XNYS' or 'XSHG'"
            yield TaskError(
                f"calendar {code!r} is no exchange: use an ISO 10383 code{hint}, or "
                "calendar='prices' for the sessions of the prices"
            )

    def _find_panel_mistakes(self) -> Iterator[WfError]:
        """Of a dataset on prices: its universe, and prices of its own."""
        dataset = self.template.get("dataset")
        kwargs = dataset.get("kwargs") if isinstance(dataset, Mapping) else None
        if not isinstance(kwargs, Mapping) or not self._is_panel(dataset):
            return
        instruments, prices = kwargs.get("instruments"), kwargs.get("prices")
        yield from find_instrument_mistakes(instruments)
        function = instruments.get("func") if isinstance(instruments, Mapping) else instruments
        if isinstance(function, str) and not any(find_instrument_mistakes(instruments)):
            yield from self._find_universe_mistakes(instruments)
        if prices is not None and not freq_of(prices):
            yield from find_place_mistakes(prices, "dataset.kwargs.prices", self.book.look_up)
        train_key = kwargs.get("train_key")
        segments = kwargs.get("segments")
        if train_key is not None and isinstance(segments, Mapping) and train_key not in segments:
            yield TaskError(
                f"dataset.kwargs.train_key is {train_key!r}, and there is no such segment"
                f"{nearest_name(str(train_key), list(map(str, segments)))}"
            )

    def _find_universe_mistakes(self, instruments: Any) -> Iterator[TaskError]:
        if names_file(instruments):
            return
        options: dict[str, Any] = {"positional": 1, "is_complete": True, "noun": "a function"}
        part = read_part(instruments, INSTRUMENTS, **options)
        if part is None:
            return
        try:
            yield from part.find_mistakes(self._read(part.what))
        except TaskError as error:
            yield TaskError(f"{part.place}: {error}")

    def _is_panel(self, dataset: Any) -> bool:
        try:
            part = read_part(dataset, "dataset")
            return part is not None and _PANEL in self._read(part.what).bases
        except TaskError:
            return False


def _find_look_ahead(trunc_days: int | None, reach: int) -> Iterator[TaskError]:
    if trunc_days is not None and trunc_days < reach:
        yield TaskError(
            f"RollingGen(trunc_days={trunc_days}) lets models learn from labels that are known "
            f"after the first test session, as the label reaches {reach} sessions: write "
            f"trunc_days={reach}, which leaves segments alone that end earlier anyway; or "
            f"allow_look_ahead=True. {_LOOK_AHEAD}"
        )


def _raise(name: str, mistakes: list[WfError]) -> None:
    if len(mistakes) == 1:
        kind = type(mistakes[0])
        raise kind(f"strategy {name!r}: {mistakes[0]}") from None
    if mistakes:
        listed = "".join(f"\n  - {mistake}" for mistake in dict.fromkeys(map(str, mistakes)))
        raise TaskError(f"strategy {name!r}: {len(mistakes)} things are wrong:{listed}")
