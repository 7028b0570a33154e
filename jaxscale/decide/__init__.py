"""Decisions: what to train, at what cost."""
