"""The command line: RecBole's `--key=value` flags, and a subcommand where something other than training is meant."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Callable, Sequence

from recbole_dtlns.commands.pages import PAGES, SUBCOMMANDS
from recbole_dtlns.config.nearest import near_names
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.disk_errors import explained, is_of_the_disk
from recbole_dtlns.version import __version__

logger = logging.getLogger(__name__)

_EPILOG = """\
Without a subcommand a model is trained and evaluated:
  recbole-dtlns --model=LightGCN --dataset=ml-100k        (in a checkout: python run_recbole_dtlns.py ...)
Every key of RecBole and of ours works as --key=value; --config_files="a.yaml b.yaml" reads files, and one that is not
found is looked up in the shipped properties/ (preset/paper.yaml, ...). The console shows a line an epoch, and RecBole's
own lines too with --log=full; run.log has them all. `--help_keys` lists our keys, `SUBCOMMAND --help` its own flags.
Exit status: 0 done, 1 failure, 2 bad input, 130 interrupted.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(arguments)
    except UserError as error:
        _report(str(error))
        return 2
    except BrokenPipeError:
        return _unread()
    except OSError as error:
        if not is_of_the_disk(error):
            return _failed(error)
        _report(explained(error))
        return 2
    except KeyboardInterrupt:
        _report("Interrupted. What was computed is kept: the same command with the same run_dir goes on from there.")
        return 130
    except Exception as error:
        return _failed(error)


def _failed(error: Exception) -> int:
    logging.getLogger().error("Failed: %s: %s", type(error).__name__, error, exc_info=True)
    if not logging.getLogger().handlers:
        _report(f"Failed: {type(error).__name__}: {error}")
    return 1


def _unread() -> int:
    """The reader of our output, such as `head`, has what it wants: end without a word."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _report(message: str) -> None:
    sys.stderr.write(f"recbole-dtlns: {message}\n")


def _dispatch(arguments: list[str]) -> int:
    command = arguments.pop(0) if arguments and not arguments[0].startswith("-") else None
    if command is not None and command not in SUBCOMMANDS:
        near = near_names(command, SUBCOMMANDS)
        names = f"nearest: {', '.join(near)}" if near else f"known: {', '.join(SUBCOMMANDS)}"
        raise UserError(f"There is no subcommand {command!r}; {names}. Without one a model is trained.")
    if {"-h", "--help"} & set(arguments):
        print(help_text() if command is None else PAGES[command], end="")
        return 0
    if command is None and "--version" in arguments:
        print(f"recbole-dtlns {__version__}")
        return 0
    if command is not None:
        runner: Callable[[list[str]], int] = importlib.import_module(f"recbole_dtlns.commands.{command}").main
        return runner(arguments)
    from recbole_dtlns.commands import train

    return train.main(arguments)


def help_text() -> str:
    """What `--help` prints."""
    listed = [f"  {name:<11} {about}" for name, about in SUBCOMMANDS.items()]
    parser = argparse.ArgumentParser(
        prog="recbole-dtlns",
        usage="%(prog)s [subcommand] --key=value ...",
        description="RecBole's models trained with Dual-Tree LLM-Enhanced Negative Sampling.",
        epilog="\n".join(["subcommands:", *listed, "", _EPILOG]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    parser.add_argument("--help_keys", action="store_true", help="list our keys with their start values and exit")
    return parser.format_help()
