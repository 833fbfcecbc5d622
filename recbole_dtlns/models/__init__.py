"""Adapters moved to `recbole_dtlns.training.layers`; this import path keeps working for plugins."""
