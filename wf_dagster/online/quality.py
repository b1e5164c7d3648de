"""What must hold of a strategy that serves: pure functions of frames, calendars and plain values.

Each gives a :class:`Finding`: whether it holds, the numbers behind it, and one sentence for people,
which says what to do where it does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from wf_dagster.exchanges import ExchangeFit
from wf_dagster.moments import format_moment
from wf_dagster.online.online_state import NEXT_ONLINE_TAG, ONLINE_TAG, OnlineState
from wf_dagster.records.analysis import first_column, ic_series

FINISHED = "FINISHED"


@dataclass(frozen=True)
class Finding:
    """The answer of a check.

    Attributes:
        passed: Whether it holds.
        sentence: What was found and, where it does not hold, what to do.
        numbers: The figures behind it, by name.
        note: The part of the sentence that is to be read even though it holds.
    """

    passed: bool
    sentence: str
    numbers: Mapping[str, float | int | str] = field(default_factory=dict)
    note: str = ""

    def with_note(self, note: str) -> Finding:
        """The same answer with something that must be said even though it holds."""
        return replace(
            self,
            sentence=f"{self.sentence}; {note}",
            note="; ".join(filter(None, (self.note, note))),
        )


def combine_findings(findings: Mapping[str, Finding], none: str) -> Finding:
    """The findings on several rolls as one.

    Args:
        findings: By roll.
        none: The sentence where there are none, which is a failure.
    """
    if not findings:
        return Finding(False, none)
    if len(findings) == 1:
        ((key, only),) = findings.items()
        return Finding(only.passed, f"{key}: {only.sentence}", only.numbers)
    failed = {key: finding for key, finding in findings.items() if not finding.passed}
    numbers = {"rolls": len(findings), "failed_rolls": len(failed)}
    if not failed:
        finding = Finding(True, f"it holds for all {len(findings)} rolls", numbers)
        notes = {key: finding.note for key, finding in findings.items() if finding.note}
        if not notes:
            return finding
        key, note = next(iter(notes.items()))
        return finding.with_note(f"{len(notes)} of them with a word, the first {key}: {note}")
    key, first = next(iter(failed.items()))
    return Finding(
        False, f"{len(failed)} of {len(findings)} rolls fail; {key}: {first.sentence}", numbers
    )


def complete(
    pred: pd.DataFrame | pd.Series,
    sessions: pd.DatetimeIndex,
    rows: pd.MultiIndex | None = None,
    fit: ExchangeFit | None = None,
) -> Finding:
    """Every session and instrument that is expected has a score.

    Args:
        pred: Rows ``(datetime, instrument)``.
        sessions: The sessions to be predicted by now.
        rows: The rows expected in their time: the instruments that have prices. Without it
            a session needs a score, whosever. A session without prices has no rows to expect;
            days with prices that are no sessions are counted.
        fit: Where prices and exchange differ; what falls into the time of the sessions is named.
    """
    finding = _find_gaps(pred, sessions, rows)
    if fit is None or not len(sessions):
        return finding
    near = fit.between(sessions[0], sessions[-1])
    if not near.misfits:
        return finding
    numbers = {**finding.numbers, "misfit_days": near.misfits}
    return replace(finding, numbers=numbers).with_note(near.describe())


def _find_gaps(
    pred: pd.DataFrame | pd.Series, sessions: pd.DatetimeIndex, rows: pd.MultiIndex | None
) -> Finding:
    days = pd.DatetimeIndex(pred.index.unique("datetime"))
    if rows is None:
        lacking = sessions[~sessions.isin(days)]
        numbers = {"sessions": len(sessions), "missing_sessions": len(lacking)}
        if not len(lacking):
            return Finding(True, f"all {len(sessions)} sessions have scores", numbers)
        return Finding(
            False,
            f"{len(lacking)} of {len(sessions)} sessions have no scores, the first is "
            f"{format_moment(lacking[0])}: materialize `predictions` again",
            numbers,
        )
    is_session = rows.get_level_values("datetime").isin(sessions)
    off_calendar = rows[~is_session].unique("datetime")
    rows = rows[is_session]
    missing = rows[~rows.isin(pred.index)]
    priced = rows.unique("datetime")
    numbers = {
        "rows": len(rows),
        "missing_rows": len(missing),
        "sessions": len(sessions),
        "sessions_without_prices": len(sessions) - len(priced),
        "days_off_calendar": len(off_calendar),
        "missing_sessions": int((~priced.isin(days)).sum()),
    }
    if not len(missing):
        finding = Finding(
            True, f"all {len(rows)} scores of {len(priced)} sessions are there", numbers
        )
        if not len(off_calendar):
            return finding
        return finding.with_note(
            f"{len(off_calendar)} days with prices are no sessions of the calendar, the first is "
            f"{format_moment(off_calendar[0])}"
        )
    day, name = missing[0]
    return Finding(
        False,
        f"{len(missing)} of {len(rows)} scores are missing, the first is "
        f"{format_moment(day)} {name}: materialize `predictions` again",
        numbers,
    )


def unique_rows(pred: pd.DataFrame | pd.Series) -> Finding:
    """No day and instrument has two scores."""
    twice = pred.index[pred.index.duplicated()]
    numbers = {"rows": len(pred), "duplicate_rows": len(twice)}
    if not len(twice):
        return Finding(True, f"each of {len(pred)} rows is there once", numbers)
    return Finding(
        False,
        f"{len(twice)} rows are there twice, the first is "
        f"{format_moment(twice[0][0])} {twice[0][1]}: materialize `predictions` again",
        numbers,
    )


def usable_scores(pred: pd.DataFrame | pd.Series) -> Finding:
    """No score is NaN or infinite, and the scores of a day differ.

    A day with one instrument cannot differ, so it counts as good.
    """
    scores = first_column(pred).astype("float64")
    finite = pd.Series(np.isfinite(scores.to_numpy()), scores.index)
    by_day = scores[finite].groupby(level="datetime")
    spread = by_day.agg(["min", "max", "size"])
    flat = spread.index[(spread["min"] == spread["max"]) & (spread["size"] > 1)]
    numbers = {
        "rows": len(scores),
        "nan_or_infinite": int((~finite).sum()),
        "constant_sessions": len(flat),
    }
    problems = []
    if numbers["nan_or_infinite"]:
        day, name = finite.index[~finite][0]
        problems.append(
            f"{numbers['nan_or_infinite']} of {len(scores)} scores are NaN or infinite, the first "
            f"is {format_moment(day)} {name}"
        )
    if len(flat):
        problems.append(
            f"on {len(flat)} sessions all instruments have one score, first on "
            f"{format_moment(flat[0])}"
        )
    if not problems:
        return Finding(True, f"{len(scores)} scores are finite and differ on each day", numbers)
    return Finding(False, f"{'; '.join(problems)}: look at the features of these rows", numbers)


def labels_known(
    label: pd.DataFrame | pd.Series,
    sessions: pd.DatetimeIndex,
    now: pd.Timestamp,
    calendar: pd.DatetimeIndex,
    reach: int | None,
    slack: int,
) -> Finding:
    """The labels that can be known are known, all but the last few.

    Args:
        label: Rows ``(datetime, instrument)``; NaN where a label is not known.
        sessions: The sessions that were predicted.
        now: The last session whose prices labels may use.
        calendar: All sessions.
        reach: Sessions after which a label is known; ``None`` when the label does not say.
        slack: Sessions that labels may be late.
    """
    if reach is None:
        return Finding(True, "not judged: the label does not say how far it looks ahead")
    last = int(calendar.searchsorted(now, "right")) - 1 - reach - slack
    due = sessions[sessions <= calendar[last]] if last >= 0 else sessions[:0]
    labelled = pd.DatetimeIndex(first_column(label).dropna().index.unique("datetime"))
    unknown = due[~due.isin(labelled)]
    numbers: dict[str, float | int | str] = {
        "due_sessions": len(due),
        "unknown_sessions": len(unknown),
        "reach": reach,
        "last_known": format_moment(labelled.max()) if len(labelled) else "",
    }
    if not len(unknown):
        return Finding(
            True, f"the labels of all {len(due)} sessions that are due are known", numbers
        )
    return Finding(
        False,
        f"{len(unknown)} sessions miss labels that were known {reach} sessions later, the first is "
        f"{format_moment(unknown[0])} and it is {format_moment(now)}: materialize `labels` again",
        numbers,
    )


def rolling_ic(
    pred: pd.DataFrame | pd.Series,
    label: pd.DataFrame | pd.Series,
    sessions: int = 60,
    floor: float = -0.05,
) -> Finding:
    """The mean IC of the last labelled sessions is not below a floor.

    Args:
        pred: Scores, rows ``(datetime, instrument)``.
        label: Labels, the same kind of rows; NaN where one is not known.
        sessions: How many labelled sessions count; with fewer, nothing is judged.
        floor: The lowest mean IC that passes (no unit).
    """
    scores, labels = first_column(pred), first_column(label).dropna()
    days = labels.index.unique("datetime").sort_values()[-sessions:]
    if len(days) < sessions:
        return Finding(
            True,
            f"not judged: {len(days)} sessions have labels, {sessions} are needed",
            {"labelled_sessions": len(days)},
        )
    ic, rank_ic = ic_series(
        *(s[s.index.get_level_values("datetime") >= days[0]] for s in (scores, labels))
    )
    mean = float(ic.mean())
    numbers: dict[str, float | int | str] = {
        "ic": mean,
        "rank_ic": float(rank_ic.mean()),
        "floor": floor,
        "first": format_moment(days[0]),
        "last": format_moment(days[-1]),
    }
    last = format_moment(days[-1])
    sentence = f"IC {mean:+.4f} over the last {sessions} labelled sessions, up to {last}"
    if mean >= floor:
        return Finding(True, sentence, numbers)
    return Finding(False, f"{sentence}, is below {floor:+.4f}: does the model still fit?", numbers)


def same_history(
    changed: pd.DatetimeIndex,
    noticed: tuple[int, str, str] | None,
    max_changed: int = 1,
) -> Finding:
    """Closes of sessions that were served are those of then, but for a price day.

    Args:
        changed: Sessions whose closes are others now than at the last session that was served;
            those whose closes only came late do not count.
        noticed: Number of sessions, and ISO dates of the first and the last of them, that were
            found changed when the last session was served; ``None`` for none.
        max_changed: Sessions that may have changed.
    """
    since = (
        (len(changed), format_moment(changed[0]), format_moment(changed[-1]))
        if len(changed)
        else None
    )
    number, first, last = max(since or (0, "", ""), noticed or (0, "", ""))
    numbers: dict[str, float | int | str] = {"changed_sessions": number, "max_changed": max_changed}
    if not number:
        return Finding(
            True, "the closes of all sessions are those that they were served with", numbers
        )
    numbers |= {"first": first, "last": last}
    sentence = f"the closes of {number} sessions from {first} to {last} have changed since then"
    if number <= max_changed:
        return Finding(True, sentence, numbers)
    return Finding(
        False,
        f"{sentence}: that is more than a price day, such as prices adjusted again for a split; "
        "what was sent stays as it was sent, train again if the models are to know",
        numbers,
    )


@dataclass(frozen=True)
class Serving:
    """What is known of a recorder that is online.

    Attributes:
        status: ``FINISHED`` and so on.
        family: Names the template it was made from.
        start: First session of its test segment.
    """

    status: str
    family: str
    start: pd.Timestamp | None


def one_generation(
    state: OnlineState,
    serving: Mapping[str, Serving],
    tags: Mapping[str, str],
    starts: Sequence[pd.Timestamp],
    templates: int = 1,
) -> Finding:
    """Exactly one generation of models is online, and it is the right one.

    Args:
        state: The online state of the strategy.
        serving: Of each recorder online, by id; one that is not there any more is left out.
        tags: ``online_status`` of all recorders that have one which is not ``offline``, by id.
        starts: First test sessions of the strategy's rolls.
        templates: Models that are to be online.
    """
    numbers: dict[str, float | int | str] = {
        "online": len(state.online),
        "next_online": len(state.next_online),
        "generation": state.generation,
        "session": state.session or "",
        "since": state.since or "",
    }
    if not state.online:
        return Finding(False, "no model is online: run the online routine", numbers)
    wrong = []
    if gone := [i for i in state.online if i not in serving]:
        wrong.append(f"{', '.join(gone)} of the online recorders are not there any more")
    wrong += [
        f"recorder {i} is {model.status}"
        for i, model in serving.items()
        if model.status != FINISHED
    ]
    families = {model.family for model in serving.values()}
    if len(state.online) != templates or len(families) != len(serving):
        wrong.append(f"{len(state.online)} models of {len(families)} templates, not {templates}")
    if state.session is not None:
        wrong += _wrong_rolls(serving, pd.Timestamp(state.session), starts)
    expected = {
        **dict.fromkeys(state.online, ONLINE_TAG),
        **dict.fromkeys(state.next_online, NEXT_ONLINE_TAG),
    }
    odd = sorted(i for i in {*expected, *tags} if expected.get(i) != tags.get(i))
    if odd:
        wrong.append(f"the online_status of {len(odd)} recorders is not what was decided: {odd[0]}")
    if not wrong:
        return Finding(True, f"{len(state.online)} online since {state.since}, tags agree", numbers)
    return Finding(False, f"{'; '.join(wrong)}: run the online routine again", numbers)


def _wrong_rolls(
    serving: Mapping[str, Serving], session: pd.Timestamp, starts: Sequence[pd.Timestamp]
) -> list[str]:
    begun = [start for start in starts if start <= session]
    if not begun:
        return []
    return [
        f"recorder {i} is that of the roll tested from {format_moment(model.start)}, at "
        f"{format_moment(session)} it should be the roll tested from {format_moment(max(begun))}"
        for i, model in serving.items()
        if model.start is not None and model.start != max(begun)
    ]
