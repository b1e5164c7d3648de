"""The tags by which runs and recorders are found again; those of this package and Dagster's."""

ONLINE_RUN_TAG = "wf_online"  # of an online run: the strategy
SESSION_TAG = "wf_session"  # of an online run: the session that it works through
RESTATED_TAG = "wf_restated"  # identifies the prices whose models predict again
ROOT_RUN_TAG = "dagster_root_run_id"  # of a recorder: the first run of a chain of retries

PARTITION_TAG = "dagster/partition"
RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"
BACKFILL_TAG = "dagster/backfill"
AUTOMATION_TAG = "dagster/from_automation_condition"  # of runs that automation launched
