"""Sources of candidates: a scorer fitted on train ranks the unseen items of every training user."""
