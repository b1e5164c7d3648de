"""What happens when partitions of a strategy are materialized."""
