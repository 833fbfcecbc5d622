"""A short run of the command line."""

from recbole_dtlns.cli import main

SMALL = ["--tree_leaf_size=4", "--embedding_size=8", "--train_batch_size=100", "--learning_rate=0.01"]


def train(*flags: str) -> int:
    judge = [] if any(flag.startswith("--judge=") for flag in flags) else ["--judge=rule"]  # fast
    base = ["--model=BPR", "--dataset=toy", "--data_path=data", "--epochs=3", "--run_dir=run", *SMALL, *judge]
    return main([*base, *flags])
