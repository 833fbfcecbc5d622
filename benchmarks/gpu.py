"""The parts of `benchmarks/gpu.sh`, each in a process with a time limit of its own; a part that fails is noted.

    python benchmarks/gpu.py [--device=cpu] [--out=gpu.json] [--parts=tests,runs,training,list_loss,judging]

The file is written after each part, so what is there survives an end of the machine. The last line is one JSON object,
the same as in the file.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from recbole_dtlns.files.versions import versions

ROOT = Path(__file__).resolve().parent.parent
RATIO, MEMORY_MB = 10.0, 8 * 1024.0  # targets of the language model: over one JSON prompt a pair, and at most
WAYS = ("one JSON prompt a pair", "one compact prompt a pair", "shared prefix", "packed")
MARKED = ("tests/samplers/test_on_device.py", "tests/test_runs_on_device.py")
RUNS = ("tests/test_trained_samplers.py", "tests/test_resume.py")  # where RecBole puts them


@dataclass(frozen=True)
class Part:
    """A part of the measurement.

    Attributes:
        command: arguments of this interpreter.
        seconds: its time limit.
        read: what its output says.
        may_fail: an exit status of 1 has something to say too, as with tests.
    """

    command: list[str]
    seconds: float
    read: Callable[[str], dict[str, Any]]
    may_fail: bool = False


def parts(device: str) -> dict[str, Part]:
    """All parts by name; on a CPU with tiny sizes."""
    on_gpu = device == "cuda"
    place = [] if on_gpu else ["--gpu_id="]
    steps, epochs, shape = ("40", "8", "8B") if on_gpu else ("4", "3", "tiny")
    tests = ["-m", "pytest", "-vv", "--tb=line", "-p", "no:cacheprovider", f"--device={device}"]
    lists = ["--models=BPR,LightGCN", f"--epochs={epochs}", "--rounds=1", "--judge=rule"]
    model = [f"--random={shape}", "--llm_quantization=nf4", f"--device_map={device}", "--ways", *WAYS]
    return {
        "tests": Part([*tests, *MARKED], 100, read_tests, may_fail=True),
        "runs": Part([*tests, *RUNS], 70, read_tests, may_fail=True),
        "training": Part(["benchmarks/gpu_training.py", f"--device={device}", f"--steps={steps}"], 100, last_json),
        "list_loss": Part(["benchmarks/list_loss.py", *lists, *place], 70, last_json),
        "judging": Part(["benchmarks/judging.py", *model], 120, read_judging),
    }


def last_json(text: str) -> dict[str, Any]:
    """The JSON object of the last line."""
    content = json.loads(text.strip().splitlines()[-1])
    if not isinstance(content, dict):
        raise ValueError(f"the last line holds {content!r}, not an object")
    return content


def read_tests(text: str) -> dict[str, Any]:
    """Numbers of tests by outcome, as far as they ran, and the names of those that did not pass."""
    outcomes = re.findall(r"^(tests/\S.*?) (PASSED|FAILED|ERROR|SKIPPED)\b", text, re.MULTILINE)
    if not outcomes:
        raise ValueError("no test ran")
    counts = Counter(outcome.lower() for _, outcome in outcomes)
    return {**counts, "not_passed": [name for name, outcome in outcomes if outcome in ("FAILED", "ERROR")]}


def read_judging(text: str) -> dict[str, Any]:
    """Ratio and memory of packed questions, beside their targets, and all that was measured."""
    judging = last_json(text)
    ratio = judging["ratios"]["packed / one JSON prompt a pair"]
    memory = max(row["memory_mb"] for row in judging["ways"].values())
    reached = {"ratio": ratio >= RATIO, "memory": memory < MEMORY_MB}
    return {"packed/one JSON prompt a pair": ratio, "peak_mb": round(memory), "reached": reached, **judging}


def carry_out(part: Part) -> dict[str, Any]:
    """What a part found, with its seconds; what is under `failed` says why there is nothing."""
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [sys.executable, *part.command], cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            status: int | None = process.wait(part.seconds)
        except subprocess.TimeoutExpired:
            status = None
            os.killpg(process.pid, signal.SIGKILL)  # with all that it has started
            process.wait()
        output.seek(0)
        text = output.read()
    measured: dict[str, Any] = {}
    try:
        measured = part.read(text)
    except (ValueError, KeyError, IndexError) as error:
        measured["failed"] = f"its output cannot be read ({type(error).__name__}: {error})"
    if status is None:
        measured["failed"] = f"not done after {part.seconds:.0f} s"
    elif status and not (part.may_fail and status == 1):
        measured["failed"] = f"exit status {status}"
    if "failed" in measured:
        measured["output"] = text.strip().splitlines()[-15:]
    return {**measured, "seconds": round(time.perf_counter() - started, 1)}


def output_of(command: list[str]) -> str | None:
    """First line of what a program says; None where it is missing or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    except (OSError, subprocess.CalledProcessError):
        return None
    return (done.stdout.strip().splitlines() or [None])[0]


def about(device: str) -> dict[str, Any]:
    """Date, card, driver and versions."""
    on_gpu = device == "cuda"
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": device if on_gpu else "cpu: a try of the script, no figure says anything about a GPU",
        "card": torch.cuda.get_device_name(0) if on_gpu else None,
        "card_memory_mb": round(torch.cuda.get_device_properties(0).total_memory / 2**20) if on_gpu else None,
        "driver": output_of(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]) if on_gpu else None,
        "cuda": torch.version.cuda,
        "system": platform.platform(),
        "commit": output_of(["git", "rev-parse", "HEAD"]),
        "versions": versions(),
    }


def main() -> None:
    """Carry all parts out and write what they found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    parser.add_argument("--parts", default="tests,runs,training,list_loss,judging")
    given = parser.parse_args()
    if given.device == "cuda" and not torch.cuda.is_available():
        parser.error(
            f"torch {torch.__version__} sees no NVIDIA GPU (CUDA of its build: {torch.version.cuda or 'none'}). Run "
            "this where there is one, with a CUDA build of torch, or give --device=cpu to try the script itself."
        )
    known_parts = parts(given.device)
    unknown = [name for name in given.parts.split(",") if name not in known_parts]
    if unknown:
        parser.error(f"--parts: there is no part {unknown[0]!r}; they are {', '.join(known_parts)}")
    report = about(given.device)
    for name in given.parts.split(","):
        print(f"{name}, at most {known_parts[name].seconds:.0f} s ...", flush=True)
        report[name] = carry_out(known_parts[name])
        print(f"  {report[name]['seconds']} s: {report[name].get('failed', 'done')}", flush=True)
        given.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
