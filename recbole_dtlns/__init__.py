"""Dual-Tree LLM-Enhanced Negative Sampling (arXiv 2602.18249) as an extension of RecBole.

data -> trees -> false_negatives -> samplers -> models and trainer -> result.
"""

from recbole_dtlns import compat
from recbole_dtlns.version import __version__

__all__ = ["__version__"]

# Before any other import of RecBole, and again in every spawned process that unpickles one of our objects.
compat.apply()
