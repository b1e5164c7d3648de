"""Code locations: found and loaded, where Dagster keeps their state, and what is theirs."""
