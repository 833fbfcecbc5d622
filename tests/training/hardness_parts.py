"""Short runs whose negatives are looked at."""

from recbole_dtlns.cli import main

SMALL = ["--tree_leaf_size=4", "--embedding_size=8", "--train_batch_size=100", "--learning_rate=0.01"]


def train(name: str, *flags: str) -> int:
    given = {flag.partition("=")[0] for flag in flags}
    base = ["--model=BPR", "--dataset=toy", "--data_path=data", "--cache_dir=cache", "--epochs=3", f"--run_dir={name}"]
    if "--neg_sampler" not in given or "--neg_sampler=dtl_ns" in flags:
        base.append("--judge=rule")  # fast
    return main([*(flag for flag in [*base, *SMALL] if flag.partition("=")[0] not in given), *flags])
