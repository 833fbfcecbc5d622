"""Names of the packages that `benchmarks/gpu.sh` needs and this interpreter does not have, in one line.

python benchmarks/gpu_packages.py setup.cfg
"""

from __future__ import annotations

import re
import sys
from configparser import ConfigParser
from importlib.metadata import PackageNotFoundError, version


def needed(path: str) -> list[str]:
    """RecBole, what the metadata lists for a run and for a language model, and pytest."""
    metadata = ConfigParser(interpolation=None)
    metadata.read(path, encoding="utf-8")
    listed = [metadata["options"]["install_requires"], metadata["options.extras_require"]["llm"]]
    names = [re.match(r"[\w.-]+", line) for text in listed for line in text.split("\n") if line]
    return ["recbole", *(name[0] for name in names if name), "pytest"]


def is_missing(name: str) -> bool:
    """Whether no version of a package is installed."""
    try:
        version(name)
    except PackageNotFoundError:
        return True
    return False


if __name__ == "__main__":
    print(*filter(is_missing, needed(sys.argv[1])))
