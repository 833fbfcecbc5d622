"""What some keys may be, apart from the code that does it: reading keys imports neither torch nor scipy."""

from __future__ import annotations

DECISIONS = ("per_user", "threshold", "rate", "calibrated")
"""`judge_decision`: how verdicts become positives."""
SCORING_METHODS = ("auto", "shared", "packed", "single")
"""`llm_method` beside `generate`: how the prompts of a user are scored; all give the same."""
SERVER_APIS = ("auto", "chat", "completions", "llamacpp", "generative_scoring", "score")
"""`server_api`: the endpoint that is asked."""
JUDGE_NAMES = ("none", "rule", "keep_all", "learned", "llm", "server", "student", "file")
"""`judge`, without those of plugins."""
MAX_HISTORY = 10_000
"""Start value of the items that a history counts with: a longer one costs more than 10^8 pairs, some ten seconds."""
