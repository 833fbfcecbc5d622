"""What an engine is: it starts commands of this program, and gives for each one what can be waited for."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class Child(Protocol):
    """A command that was started; `subprocess.Popen` is one."""

    def wait(self) -> int:
        """Wait for its end: the exit status; -N where signal N has ended it.

        Raises:
            UserError: the engine cannot run it.
        """
        ...

    def send_signal(self, sig: int, /) -> None:
        """Send it a signal; nothing where it has ended."""
        ...


class Engine(Protocol):
    """Starts commands. May be used from several threads."""

    def start(self, words: list[str], output: Path) -> Child:
        """Start a command.

        Args:
            words: of the command, the Python program first.
            output: file for all that it says.
        """
        ...

    def flags(self, cache_dir: Path) -> list[str]:
        """Flags for commands that share the cache of a data set."""
        ...
