"""Moved to `recbole_dtlns.evaluation.loading`; this import path keeps working."""

from recbole_dtlns.evaluation.loading import LoadedRun, load_data_and_model, load_run

__all__ = ["LoadedRun", "load_data_and_model", "load_run"]
