"""What RecBole and torch raise for keys that do not go together, as errors that a user can mend."""

from __future__ import annotations

import contextlib
import re
import traceback
from collections.abc import Iterator
from typing import Any

from recbole_dtlns.errors import UserError

_MEMORY = re.compile(r"allocate|out of memory|[Ss]torage size calculation overflowed|Overflow when unpacking", re.ASCII)
_SIZES = "embedding_size, train_batch_size, eval_batch_size, num_negatives, list_negatives, eval_args.mode"


@contextlib.contextmanager
def building(config: Any) -> Iterator[None]:
    """Turn what making samplers, loaders and a model raises into UserError: it is the keys that do not fit."""
    with running(config):
        try:
            yield
        except ImportError as error:
            raise UserError(missing_package(str(config["model"]), error)) from error
        except OSError:
            raise
        except RuntimeError as error:
            if _is_memory(error):
                raise
            raise _unfit(config, error) from error
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, ArithmeticError, AssertionError) as error:
            raise _unfit(config, error) from error


@contextlib.contextmanager
def running(config: Any) -> Iterator[None]:
    """Turn an end of the program inside RecBole, a want of memory and a loss of NaN into UserError."""
    try:
        yield
    except SystemExit as error:
        raise UserError(
            f"{config['model']} ended the program without a result (exit status {error.code}): it cannot be trained "
            "with these keys. Check its loss_type and train_neg_sample_args in RecBole's documentation."
        ) from error
    except NotImplementedError as error:
        raise _unfit(config, error) from error
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not _is_memory(error):
            raise
        complaint = " ".join(str(error).split())[:160]
        raise UserError(
            f"The run wants more memory than there is ({complaint}). Make what decides it smaller: {_SIZES}."
        ) from error
    except ValueError as error:
        if "loss is nan" not in str(error):
            raise
        raise UserError(
            f"The loss of {config['model']} became NaN: training has diverged. Set learning_rate (here "
            f"{config['learning_rate']}) or the weights of the loss lower."
        ) from error


def raised_by_us(error: BaseException) -> bool:
    """Whether an error comes from code of ours: then it is a fault of ours, and no bad input."""
    frames = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    packages = [name.partition(".")[0] for name in frames]
    return [name for name in packages if name in {"recbole", "recbole_dtlns"}][-1:] == ["recbole_dtlns"]


def missing_package(model: str, error: ImportError) -> str:
    """The sentence for a model whose package is not installed."""
    package = error.name or str(error)
    return f"{model} needs the package {package}, which is not installed. Install it, or choose another model."


def _unfit(config: Any, error: Exception) -> UserError:
    given = getattr(config, "external_config_dict", {})
    keys = ", ".join(sorted(str(key) for key in given if key not in {"model", "dataset", "data_path"})) or "none"
    complaint = " ".join(str(error.args[0] if error.args else error).split())[:200]
    return UserError(
        f"{config['model']} cannot be made with these keys ({type(error).__name__}: {complaint}). Given were: {keys}. "
        "Correct them, or leave them out."
    )


def _is_memory(error: BaseException) -> bool:
    return _MEMORY.search(str(error)) is not None
