"""Runs the commands of a page and writes into the page what they say.

    python examples/run_page.py docs/quickstart.md

A ```bash block is run if a ```text block follows it, which then holds its output. `<!-- last 6 lines -->` between the
two keeps the end of the output alone. The commands run in an empty folder that holds `examples/`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent
_BLOCK = re.compile(r"```bash\n((?:(?!```).)*)```\n(?:<!-- last (\d+) lines -->\n)?```text\n((?:(?!```).)*)```", re.S)
_LOG_PREFIX = re.compile(r"^\d\d \w{3} \d\d:\d\d +INFO  ", re.M)  # date and level of a log line


def commands_of(page: str) -> list[str]:
    """The blocks of commands that have an output, in their order."""
    return [commands for commands, _, _ in _BLOCK.findall(page)]


def said_by(commands: str, folder: Path) -> str:
    """Run commands in bash in `folder`; returns what they print, without dates.

    Raises:
        subprocess.CalledProcessError: a command failed.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euc", commands],
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return _LOG_PREFIX.sub("", done.stdout)


def with_outputs(page: str, folder: Path) -> str:
    """The page with the outputs of its commands, run one block after the other in `folder`."""

    def run(block: re.Match[str]) -> str:
        start = block.group()[: block.start(3) - block.start()]
        lines = said_by(block[1], folder).rstrip().splitlines()
        return start + "\n".join(lines[-int(block[2] or len(lines)) :]) + "\n```"

    return _BLOCK.sub(run, page)


def main() -> None:
    """Run the page that is named on the command line."""
    page = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "examples").symlink_to(EXAMPLES)
        page.write_text(with_outputs(page.read_text(encoding="utf-8"), Path(folder)), encoding="utf-8")


if __name__ == "__main__":
    main()
