"""Asset checks of a strategy that serves, and their freshness in sessions."""
