"""What an online manager asks of a strategy: which tasks are trained, and which models serve."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd
from typing_extensions import Self

from wf_dagster.calendars import to_day
from wf_dagster.collect import Collector
from wf_dagster.errors import OnlineError
from wf_dagster.market import Market
from wf_dagster.online.ledger import OnlineLedger
from wf_dagster.online.online_tool import OnlineTool
from wf_dagster.online.sessions import daily_calendar
from wf_dagster.tasks import Task
from wf_dagster.tracking import Recorder

if TYPE_CHECKING:
    from wf_dagster.online.late_rows import LateRows


@dataclass
class RecorderChanges:
    """The recorders whose predictions, and those whose labels changed."""

    predicted: list[Recorder] = field(default_factory=list)
    labelled: list[Recorder] = field(default_factory=list)

    def add(self, recorder: Recorder, predicted: bool, labelled: bool) -> None:
        """Note what changed of a recorder."""
        self.predicted += [recorder] if predicted else []
        self.labelled += [recorder] if labelled else []


class OnlineStrategy:
    """Says which tasks are to be trained at a session, and which models serve.

    One of your own defines ``first_tasks``, ``prepare_tasks`` and ``get_collector``, and gives
    itself a ``tool``; all else has a default. At a session of the past it sees ``market`` as of its
    close; what it notes in attributes of its own stays.

    Args:
        name_id: Unique name; that of the experiment.
        market: Where its sessions and prices come from; default that of the settings.
    """

    logger: ClassVar[logging.Logger] = logging.getLogger(__name__)  # as Qlib's strategies have one
    market: Market = Market()  # of a strategy that was pickled before strategies had one

    def __init__(self, name_id: str, *, market: Market | None = None) -> None:
        self.name_id = name_id
        self.market = Market.of(market)
        self.tool: OnlineTool = OnlineTool()

    def at(self, session: Any) -> Self:
        """The strategy at the close of a session: its market hides later prices.

        Args:
            session: A date; where there are no later prices, this is the strategy itself.
        """
        if to_day(session) >= daily_calendar(self.market).last_session:
            return self
        strategy = copy.copy(self)
        strategy.market = self.market.at(session)
        strategy.tool = self.tool.on(strategy.market)
        return strategy

    # which tasks are trained

    def first_tasks(self) -> list[Task]:
        """The tasks to begin with."""
        raise NotImplementedError  # abstract

    def prepare_tasks(self, cur_time: Any, **kwargs: Any) -> list[Task]:
        """The tasks that are due at a session.

        Args:
            cur_time: The session that has closed; ``None`` is the last one with prices.
            **kwargs: As the strategy takes them.
        """
        raise NotImplementedError  # abstract

    def find_trained(self, tasks: Sequence[Task], session: Any) -> list[Any]:
        """Models of tasks that need not be trained again.

        Args:
            tasks: Task definitions.
            session: A model that has seen later prices does not count.

        Returns:
            A model a task; ``None`` where there is none, which is the default for all.
        """
        return [None] * len(tasks)

    def adopt_tasks(self, session: Any) -> list[Task]:
        """Put online what a backfill has trained.

        Args:
            session: The session that has closed.

        Returns:
            The tasks whose models are to serve.

        Raises:
            OnlineError: The strategy does not know what a backfill has trained.
        """
        raise OnlineError(
            f"{self.name_id}: only a RollingStrategy can take over what a backfill has trained; "
            "use first_train"
        )

    # which models serve

    def prepare_online_models(
        self, trained_models: Sequence[Any], cur_time: Any = None
    ) -> list[Any]:
        """Let the trained models serve instead of those that served before.

        Args:
            trained_models: Models; without any, nothing changes.
            cur_time: The session that has closed; ``None`` is the last one with prices.

        Returns:
            The models that are online.
        """
        if trained_models:
            self.tool.reset_online_tag(list(trained_models))
        return self.tool.online_models()

    def ledger(self) -> OnlineLedger | None:
        """Where its tool keeps what is online; ``None`` if it keeps no such thing."""
        return self.tool.ledger()

    def all_models(self, served: Sequence[Any] = ()) -> list[Any]:
        """The models that are, were or will be online.

        Args:
            served: Those that the manager has seen serve.
        """
        return list(dict.fromkeys(served))

    def models_to_ids(self, models: Sequence[Any]) -> list[Any]:
        """What stands for models in a pickled manager; default the models themselves."""
        return list(models)

    def ids_to_models(self, ids: Sequence[Any]) -> list[Any]:
        """The models that :meth:`models_to_ids` gave these for; those that are gone are left out.

        What is given here may come from an earlier process.
        """
        return list(ids)

    # what is kept current

    def update(self, to_date: Any) -> RecorderChanges:
        """Bring the predictions of the online models up to a date."""
        return RecorderChanges(self.tool.on(self.market).update_online_pred(to_date=to_date) or [])

    def complete_late(self) -> list[LateRows]:
        """Add the rows that predictions of served sessions lack; by default none.

        Called at the last session that was worked through, before the next one is.
        """
        return []

    def late_rows(self) -> Mapping[str, Sequence[str]]:
        """Instruments whose rows were added to a session that was served, by ISO date."""
        return {}

    def note_prices(self, session: pd.Timestamp) -> None:
        """Keep what tells later whether prices have changed; by default nothing."""

    def catch_up(self, to_date: Any) -> None:
        """Let models that were trained late predict the sessions at which they were online."""
        self.update(to_date)

    def get_collector(self, *args: Any, **kwargs: Any) -> Collector:
        """What collects the predictions of this strategy."""
        raise NotImplementedError  # abstract

    def get_served(self, until: Any, since: Any = None) -> Collector:
        """What collects the predictions that signals are made of; default :meth:`get_collector`.

        Args:
            until: The last session.
            since: Only models that were online at this session or later are needed.
        """
        return self.get_collector()
