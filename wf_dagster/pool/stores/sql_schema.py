"""The table of tasks in an SQL database."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

metadata = sa.MetaData()

tasks = sa.Table(
    "wf_tasks",
    metadata,
    sa.Column("_id", sa.String(64), primary_key=True),
    sa.Column("pool", sa.Text, nullable=False),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("def", sa.LargeBinary, nullable=False),
    sa.Column("filter", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("res", sa.LargeBinary),
    sa.Column("priority", sa.Double),
    sa.Column("turn", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("error", sa.Text),
    sa.Column("worker", sa.Text),
    sa.Column("lease", sa.String(64)),
    sa.Column("lease_until", sa.Double),
    sa.Column("fetched_from", sa.String(16)),
    sa.UniqueConstraint("pool", "fingerprint", name="wf_tasks_fingerprint"),
    sa.Index("wf_tasks_turn", "pool", "status", "turn"),
    sa.Index("wf_tasks_lease", "pool", "lease_until"),
)
