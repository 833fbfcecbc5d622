"""What some keys may be, apart from the code that does it: reading keys imports neither torch nor scipy."""

from __future__ import annotations

DECISIONS = ("per_user", "threshold", "rate", "calibrated")
"""`judge_decision`: how verdicts become positives."""
SCORING_METHODS = ("auto", "shared", "packed", "single")
"""`llm_method` beside `generate`: how the prompts of a user are scored; all give the same."""
SERVER_APIS = ("auto", "chat", "completions", "llamacpp", "generative_scoring", "score")
"""`server_api`: the endpoint that is asked."""
MAX_HISTORY = 10_000
"""Start value of the items that a history counts with: a longer one costs more than 10^8 pairs, some ten seconds."""
MAX_DIGIT = 32_767
"""Largest digit of an item's code: codes are int16."""
STOCK_SAMPLERS = ("recbole:uniform", "recbole:popularity", "recbole:dynamic")
"""`neg_sampler`: RecBole's own loader."""
LAYERED_MODELS = ("BPR", "LightGCN", "NGCF", "SpectralCF", "NCL")
"""Models whose layers our samplers get; a plugin may add others to `LAYER_SOURCES`."""
DEFAULT_JUDGE, PLAIN_JUDGE = "learned", "rule"
"""The judge of `dtl_ns` where none is named, and the one that takes its place where it cannot be fitted."""
JUDGED_ORDER = "JudgedOrder"
"""The model that ranks by the judge itself."""
