"""False negatives found offline, from the training split and item codes alone.

`sources` fits a scorer on train and ranks unseen items for every training user (`candidates`, cut to a `budget`).
`judging` asks a judge for a raw score of each pair and keeps every answer in the verdict `store`, so that a crash, a
larger top k or another decision never asks twice. `decide` turns raw scores into probabilities and accepted pairs.
Accepted pairs become `inferred` positives; `overlap` compares them with held-out pairs after the run, never before.
Verdicts leave and enter as TSV or Parquet (`exchange`, `verdict_file`).

Wang et al., Dual-Tree LLM-Enhanced Negative Sampling, https://arxiv.org/abs/2602.18249. Unlike the authors' code,
nothing here reads valid or test: no pair is dropped because it is held out.
"""
