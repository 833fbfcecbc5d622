"""Dual-Tree LLM-Enhanced Negative Sampling (arXiv 2602.18249) as an extension of RecBole.

data -> trees -> false_negatives -> samplers -> models and trainer -> result.
"""

from recbole_dtlns.recbole_import import fix_recbole_when_imported
from recbole_dtlns.version import __version__

__all__ = ["__version__"]

# Also in every spawned process that unpickles one of our objects.
fix_recbole_when_imported()
