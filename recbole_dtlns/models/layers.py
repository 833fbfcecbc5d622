"""Moved to `recbole_dtlns.training.layers`; this import path keeps working for plugins."""

from recbole_dtlns.training.layers import LAYER_SOURCES, LayerSource, LayerTables, concatenated, mean_pooled

__all__ = ["LAYER_SOURCES", "LayerSource", "LayerTables", "concatenated", "mean_pooled"]
