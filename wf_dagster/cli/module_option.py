"""The option that names a code location, which several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

ModuleOption = Annotated[
    str | None,
    typer.Option(
        "-m",
        "--module-name",
        help="Module of the Definitions; default what `dagster dev` or `dg dev` open here.",
        show_default=False,
    ),
]
