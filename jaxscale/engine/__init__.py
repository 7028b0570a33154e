"""Thousands of fits: shards of tables, computed once, kept whole, on this machine or a cluster."""
