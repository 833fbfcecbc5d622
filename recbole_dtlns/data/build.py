"""From a configuration to RecBole's built split, and to the training split alone."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recbole.data import create_dataset
from recbole.utils import ModelType, init_seed

from recbole_dtlns.config.reading_keys import ATOMIC_KEYS
from recbole_dtlns.data.atomic_header import read_header
from recbole_dtlns.data.atomic_loading import atomic_format, files_to_read, missing_features
from recbole_dtlns.data.convert import say_written, write_atomic
from recbole_dtlns.data.download import clear_download_errors
from recbole_dtlns.data.labels import check_labels
from recbole_dtlns.data.like_tokens import warn_of_like_tokens
from recbole_dtlns.data.noise import noisy_train
from recbole_dtlns.data.repeated_pairs import warn_of_repeated_pairs
from recbole_dtlns.data.split_files import PARTS, read_split, read_train, refuse_overlap
from recbole_dtlns.data.statistics import SplitStatistics, split_hash, split_statistics
from recbole_dtlns.data.tokens import token_pairs, train_split
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.cache import content_key, damage, file_hash, publish, set_aside, write_checksums
from recbole_dtlns.files.partial import partial_path

logger = logging.getLogger(__name__)
_EMPTY = "Check the files, the filters (user_inter_num_interval, val_interval, ...) and eval_args."


@dataclass(frozen=True)
class BuiltSplit:
    """RecBole's data set and its real train, valid and test parts.

    Attributes:
        dataset: the RecBole data set they were built from.
        train: the train in use, with `inter_feat` in internal ids; noise may have changed it.
        valid: RecBole's valid.
        test: RecBole's test.
        real_train: train as RecBole split it.
        view: the train in use as identification sees it.
        statistics: counts of the real split.
        split_hash: identity of the real split.
        noise: `kind`, `rate`, `seed` and number of `pairs` of the noise in train; None without.
    """

    dataset: Any
    train: Any
    valid: Any
    test: Any
    real_train: Any
    view: TrainSplit
    statistics: SplitStatistics
    split_hash: str
    noise: dict[str, Any] | None

    @property
    def parts(self) -> list[Any]:
        """Train, valid and test, in RecBole's order."""
        return [self.train, self.valid, self.test]


def build_split(config: Any, cache_dir: Path) -> BuiltSplit:
    """Load, filter and split with RecBole; the split depends on `split_seed` alone.

    Raises:
        UserError: files that are missing or malformed, a part without interactions, a pair in two given parts.
    """
    dataset = _create(config, cache_dir)
    parts = dataset.build()
    _refuse_empty(parts, config)
    pairs = {name: token_pairs(part) for name, part in zip(PARTS, parts, strict=True)}
    if config["MODEL_TYPE"] == ModelType.GENERAL and config["benchmark_filename"]:
        refuse_overlap(pairs, str(config.location.folder))
    statistics = split_statistics(pairs)
    for line in statistics.lines():
        logger.info(line)
    train, noise = noisy_train(parts, config.settings, config.split_seed)
    identity = split_hash(pairs)
    real_train, valid, test = parts
    return BuiltSplit(dataset, train, valid, test, real_train, train_split(train), statistics, identity, noise)


def read_training_part(config: Any, cache_dir: Path) -> TrainSplit:
    """The training split alone, for `identify`: where parts are files of their own, valid and test are not opened."""
    if config.location.kind == "text":
        return TrainSplit.from_pairs(
            *read_train(config.location.folder, config.settings.text_layout, config.split_seed)
        )
    if config["benchmark_filename"]:
        train = config["benchmark_filename"][0]
        config["benchmark_filename"] = [train] * 3  # RecBole insists on three files
    parts = _create(config, cache_dir).build()
    return train_split(parts[0])


def _create(config: Any, cache_dir: Path) -> Any:
    if config.location.kind == "text":
        if config["MODEL_TYPE"] == ModelType.SEQUENTIAL:
            raise UserError(
                f"{config['model']} reads sequences, and the text files of {config.location.folder} hold no order. "
                "Give atomic files with a time column (user_id:token, item_id:token, timestamp:float) and load_col."
            )
        if "load_col" in config.external_config_dict:
            logger.warning("load_col is not read here: text files hold users and items alone.")
        _use_atomic_copy(config, cache_dir)
    else:
        for line in missing_features(config, config.location.folder, config.location.name):
            logger.warning(line)
    config["dataset"] = config.location.name
    init_seed(config.split_seed, config["reproducibility"])
    try:
        with clear_download_errors(config.location):
            dataset = create_dataset(config)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        complaint = f"{type(error).__name__}: {error.args[0] if error.args else error}"
        if "feat is empty" in complaint:
            raise UserError(f"{config['dataset']} holds no interaction. {_EMPTY}") from error
        raise UserError(
            f"RecBole read the files of {config['data_path']} and cannot prepare them ({complaint}). Expected keys of "
            "data (val_interval, normalize_field, preload_weight, alias_of_..., seq_len, ...) that name fields of "
            f"{_fields(config)}. Correct the keys or the files."
        ) from error
    check_labels(config, dataset)
    warn_of_like_tokens(dataset)
    warn_of_repeated_pairs(dataset)
    return dataset


def _fields(config: Any) -> str:
    """Every file that is read, with the names in its header."""
    files = files_to_read(config, Path(config["data_path"]), config.location.name)
    form = atomic_format(config)
    return "; ".join(f"{path.name}: {', '.join(read_header(path, form).names)}" for path, _ in files)


def _use_atomic_copy(config: Any, cache_dir: Path) -> None:
    """Convert text files once; the copy is found by the content of the files, layout and split seed, and verified."""
    source, name = config.location.folder, config.location.name
    paths = [path for path in (source / f"{part}.txt" for part in PARTS) if path.is_file()]
    files = {path.name: file_hash(path) for path in paths}
    settings = {"files": files, "layout": config.settings.text_layout, "seed": config.split_seed}
    folder = cache_dir / "atomic" / content_key("atomic", settings) / name
    damaged = damage(folder)
    if damaged is not None:
        if folder.is_dir():
            logger.warning("The copy of the data in %s cannot be trusted (%s); it is made again.", folder, damaged)
            set_aside(folder)
        making = partial_path(folder)
        try:
            write_atomic(read_split(source, config.settings.text_layout, config.split_seed), making, name)
            write_checksums(making)
            publish(making, folder)
            say_written(folder, name)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    config.final_config_dict.update(ATOMIC_KEYS)
    config["data_path"] = str(folder)


def _refuse_empty(parts: list[Any], config: Any) -> None:
    for name, part in zip(PARTS, parts, strict=True):
        if len(part) == 0:
            sizes = ", ".join(f"{part} {len(rows)}" for part, rows in zip(PARTS, parts, strict=True))
            raise UserError(
                f"The {name} part of {config['dataset']} holds no interaction ({sizes}): a user needs several to have "
                f"one in each part. {_EMPTY}"
            )
