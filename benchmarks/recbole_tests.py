"""RecBole's own test suite on the installed RecBole, with this package imported, and without it.

    git clone https://github.com/RUCAIBox/RecBole
    python benchmarks/recbole_tests.py RecBole [--parts=config,data,metrics,evaluation_setting,hyper_tuning,model]
                                               [--limit=3600] [--without] [-k EXPRESSION]

The tests of the checkout are copied, and run against the RecBole that is installed. This package is imported first, so
that its fixes are in place; `--without` leaves it out, which shows what they mend. Where ray is missing, a name in its
place lets `recbole.quick_start` be imported, which tells it metrics that no test reads. The last line of RecBole's
`test.inter` has a value more than its header, which pandas drops and this package refuses; in the copy it is cut off.
Tests that want hyperopt, lightgbm, xgboost or dgl fail where these are missing. `-k` is pytest's: `-k "not s3rec"`
leaves out 500 epochs of pretraining. Prints the failures of each part, then one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PARTS = ("config", "data", "metrics", "evaluation_setting", "hyper_tuning", "model")
PLUGIN = """
import importlib.util, sys, types
{ours}
if importlib.util.find_spec("ray") is None:
    names = "ray", "ray.tune", "ray.tune.schedulers"
    sys.modules.update({{name: types.ModuleType(name) for name in names}})
    sys.modules["ray"].tune = sys.modules["ray.tune"]
    sys.modules["ray.tune"].report = lambda **metrics: None
    sys.modules["ray.tune.schedulers"].ASHAScheduler = None
"""
MALFORMED = "tests/test_data/test/test.inter"
COUNT = re.compile(r"(\d+) (passed|failed|skipped|errors?)")


def run_part(folder: Path, part: str, limit: int, chosen: str) -> dict[str, Any]:
    """Outcome of the tests of a part.

    Args:
        folder: holds the copy of RecBole's tests.
        part: one of `PARTS`.
        limit: seconds after which they are given up.
        chosen: pytest's expression of names.
    """
    options = ["-q", "-p", "before_recbole", "-p", "no:cacheprovider", "-k", chosen]
    command = [sys.executable, "-m", "pytest", *options, f"tests/{part}"]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    log = folder / f"{part}.log"
    with log.open("w", encoding="utf-8") as output:
        try:
            status = subprocess.run(
                command, cwd=folder, env=environment, stdout=output, stderr=output, timeout=limit, check=False
            ).returncode
        except subprocess.TimeoutExpired:
            return {"part": part, "outcome": f"more than {limit} seconds"}
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    counts = {name.rstrip("s"): int(count) for count, name in COUNT.findall(lines[-1] if lines else "")}
    return {
        "part": part,
        "exit_status": status,
        **counts,
        "failures": [line for line in lines if line.startswith(("FAILED", "ERROR"))],
    }


def cut_to_header(path: Path) -> None:
    """Leave out what a line of a file has beyond the fields of its header."""
    lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    path.write_text("".join("\t".join(line[: len(lines[0])]) + "\n" for line in lines), encoding="utf-8")


def main() -> None:
    """Read the command line, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path, help="folder of RecBole's repository")
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--limit", type=int, default=3600, help="seconds for one part")
    parser.add_argument("-k", dest="chosen", default="", help="names of tests, as pytest takes them")
    parser.add_argument("--without", action="store_true", help="do not import this package")
    args = parser.parse_args()
    if not (args.checkout / "tests").is_dir():
        parser.error(f"{args.checkout} has no folder tests: give a checkout of RecBole's repository")
    outcomes = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(args.checkout / "tests", folder / "tests")
        cut_to_header(folder / MALFORMED)
        ours = "" if args.without else "import recbole_dtlns"
        (folder / "before_recbole.py").write_text(PLUGIN.format(ours=ours), encoding="utf-8")
        for part in args.parts.split(","):
            outcomes.append(run_part(folder, part, args.limit, args.chosen))
            print(part, *outcomes[-1].get("failures", ()), sep="\n", flush=True)
    print(json.dumps({"measured": "RecBole's own tests", "with_this_package": not args.without, "parts": outcomes}))


if __name__ == "__main__":
    main()
