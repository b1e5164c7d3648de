"""Qlib's names for this project's workflow, for scripts that were written for Qlib.

``import wf_dagster.compat.install`` before a script's own imports has Qlib's modules give this
project's classes; :mod:`wf_dagster.compat.qlib` has them under Qlib's module paths, for scripts
that say so in their import lines.
"""
