"""Audits: what a strategy computes, compared with what it computes from other later prices."""

from wf_dagster.audit.audited_part import AuditedPart
from wf_dagster.audit.report import AuditReport
from wf_dagster.audit.strategy_audit import audit_strategy, select_rolls

__all__ = ["AuditReport", "AuditedPart", "audit_strategy", "select_rolls"]
