"""RecBole's Config with our keys, our property files and no surprises."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from recbole.config import Config as StockConfig

from recbole_dtlns.config.config_files import find_config_file, read_yaml, typed
from recbole_dtlns.config.declared import refuse_taken_keys, table
from recbole_dtlns.config.locate import DataLocation, locate
from recbole_dtlns.config.method import RunMethod, make_method
from recbole_dtlns.config.models import inherited_keys, require_model
from recbole_dtlns.config.nearest import nearest
from recbole_dtlns.config.nested_keys import check_nested_keys
from recbole_dtlns.config.permissions import PERMISSIONS, refuse_in_files
from recbole_dtlns.config.reading_keys import reading_keys
from recbole_dtlns.config.settings import Settings, our_keys, table_start_values
from recbole_dtlns.config.stock_faults import missing_package, raised_by_us
from recbole_dtlns.config.stock_keys import (
    all_by_value,
    also_read,
    check_stock_values,
    fitting_eval_batch_size,
    fitting_valid_metric,
    tell_unread_of_parts,
)
from recbole_dtlns.config.stock_kinds import check_stock_kinds
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.shipped import PROPERTIES
from recbole_dtlns.processes.group import tell_config

logger = logging.getLogger(__name__)

# Keys that RecBole computes, where this run writes, and what the user alone may allow.
_DERIVED = frozenset(
    {
        *PERMISSIONS,
        *("MODEL_TYPE", "MODEL_INPUT_TYPE", "eval_type", "device", "single_spec", "local_rank", "valid_metric_bigger"),
        *("valid_neg_sample_args", "test_neg_sample_args", "checkpoint_dir", "run_dir", "config_files", "search"),
    }
)
# "search" holds the ranges of properties/sampler/*.yaml; a run does not read it.
_ENTRY_KEYS = frozenset({"model", "dataset", "search", "neg_sampling", "training_neg_sample_num"})


class Config(StockConfig):
    """Command line > dict > files > our properties > RecBole's properties.

    Args:
        model: name or class of a RecBole model.
        dataset: name of the data set.
        config_file_list: YAML files; one that is not found is looked up in the shipped `properties/`.
        config_dict: keys from Python.
        command_line: `--key=value` flags as raw text; `sys.argv` is never read.

    Attributes:
        settings: our keys, typed.
        location: where the data lies.
        method: which sampler, view and judge will run.

    Raises:
        UserError: an unknown key, a value of the wrong type, a missing file, or a combination that cannot be had.
    """

    def __init__(
        self,
        model: Any = None,
        dataset: str | None = None,
        config_file_list: Sequence[str] | None = None,
        config_dict: Mapping[str, Any] | None = None,
        command_line: Mapping[str, str] | None = None,
    ) -> None:
        self._raw_command_line = dict(command_line or {})
        try:
            super().__init__(model, dataset, config_file_list, dict(config_dict or {}))
        except ImportError as error:
            raise UserError(missing_package(str(model), error)) from error
        except (KeyError, ValueError, TypeError, AttributeError, NotImplementedError, RuntimeError) as error:
            if raised_by_us(error):
                raise
            complaint = str(error.args[0] if error.args else error)
            if "loss_type is CE" in complaint:
                complaint += (
                    ". With --loss_type=BPR it takes negatives of ours; to train on CE as RecBole does, give "
                    "--train_neg_sample_args=None and leave neg_sampler out"
                )
            raise UserError(f"The configuration cannot be used: {complaint}") from error
        self._check_keys()
        refuse_in_files(self.file_config_dict)
        check_stock_values(self.final_config_dict, self.external_config_dict)
        self.settings = Settings.parse(self.final_config_dict)
        self.final_config_dict.update(self.settings.as_dict())
        tell_config(self.final_config_dict)
        self.method: RunMethod = make_method(self.settings, self, "train_neg_sample_args" in self.external_config_dict)
        self._set_stock_sampler()

    @property
    def split_seed(self) -> int:
        """Seed of the data split: `split_seed`, or `seed` where it is not set."""
        seed = self.settings.split_seed
        return int(self["seed"]) if seed is None else seed

    @property
    def pairs_in_loss(self) -> bool:
        """Whether inferred positives are further rows of the loss."""
        return self.settings.augment_loss and self.method.positives_loss != "list"

    def resolved(self) -> dict[str, Any]:
        """Every key with the value in force, fit to be given as a configuration file again."""
        derived = _DERIVED | set(self._reading_keys)
        values = {key: value for key, value in self.final_config_dict.items() if key not in derived}
        values.update(dataset=self.dataset, data_path=str(self.location.folder.parent))
        if self.settings.neg_sampler is not None or self.method.base is not None:
            del values["train_neg_sample_args"]  # made from our keys; both together are refused
        elif values["train_neg_sample_args"]["distribution"] == "none":
            values["train_neg_sample_args"] = None  # as users write it
        return values

    def _build_yaml_loader(self) -> Any:
        """RecBole's reader of numbers such as 1e-3, without its tags that name Python objects.

        It reads RecBole's own files alone, four of them for each configuration, so it is libyaml's where there is one.
        """
        resolvers = super()._build_yaml_loader().yaml_implicit_resolvers
        safe = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        return type("PlainLoader", (safe,), {"yaml_implicit_resolvers": resolvers})

    def _load_config_files(self, file_list: Sequence[str] | None) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for name in file_list or []:
            merged.update(read_yaml(find_config_file(name)))
        return merged

    def _load_variable_config_dict(self, config_dict: dict[str, Any]) -> dict[str, Any]:
        return {key: typed(key, value) for key, value in config_dict.items()}

    def _load_cmd_line(self) -> dict[str, Any]:
        return {key: typed(key, value) for key, value in self._raw_command_line.items()}

    def _load_internal_config_dict(self, model: str, model_class: Any, dataset: str) -> None:
        super()._load_internal_config_dict(model, model_class, dataset)
        for key, value in inherited_keys(model_class).items():
            self.internal_config_dict.setdefault(key, value)
        for name in ("overall", f"model/{model}", f"dataset/{dataset}"):
            path = PROPERTIES / f"{name}.yaml"
            if path.is_file():
                self.internal_config_dict.update(self._fitting(read_yaml(path)))

    def _fitting(self, keys: dict[str, Any]) -> dict[str, Any]:
        """Without our ranking metrics for models that RecBole evaluates by value (AUC, LogLoss; DIN and DIEN too)."""
        if all_by_value(self.internal_config_dict["metrics"]):
            return {key: value for key, value in keys.items() if key not in {"topk", "valid_metric"}}
        return keys

    def _get_model_and_dataset(self, model: Any, dataset: str | None) -> tuple[str, Any, str]:
        name = self.external_config_dict.get("model") if model is None else model
        if name is None or (dataset is None and "dataset" not in self.external_config_dict):
            missing = "model" if name is None else "dataset"
            raise UserError(
                f"No {missing} was named. Give --{missing}=NAME, or {missing}: NAME in a configuration file."
            )
        for key, value in (("model", name), ("dataset", dataset or self.external_config_dict["dataset"])):
            if not (isinstance(value, str) or (key == "model" and isinstance(value, type))):
                raise UserError(f"{key}={value!r}: expected a name. Put one of digits in quotes.")
        if isinstance(name, str) and name not in table("models"):
            require_model(name)
        result: tuple[str, Any, str] = super()._get_model_and_dataset(table("models").get(name, model), dataset)
        return result

    def _set_default_parameters(self) -> None:
        given = self.external_config_dict
        stock = {key: value for key, value in given.items() if key not in our_keys()}
        check_stock_kinds(self.final_config_dict, stock, self.internal_config_dict)
        if "valid_metric" not in given:
            self.final_config_dict["valid_metric"] = fitting_valid_metric(self.final_config_dict)
        default = str(self.internal_config_dict.get("data_path", "dataset"))
        self.location: DataLocation = locate(
            self.dataset, given.get("data_path"), default, given.get("benchmark_filename")
        )
        self._reading_keys = {key: value for key, value in reading_keys(self.location).items() if key not in given}
        self.final_config_dict.update(self._reading_keys)
        check_nested_keys(given, self.location.presplit)
        if self.location.presplit:
            tell_unread_of_parts(given, self.internal_config_dict)
        super()._set_default_parameters()
        if "eval_batch_size" not in given:
            self.final_config_dict["eval_batch_size"] = fitting_eval_batch_size(self.final_config_dict)
        if "show_progress" not in self.external_config_dict and not sys.stderr.isatty():
            self.final_config_dict["show_progress"] = False  # a bar in a log file is noise
        self.final_config_dict["data_path"] = str(self.location.folder)
        self.final_config_dict["save_dataset"] = False  # RecBole would pickle it, and nothing here reads it

    def _check_keys(self) -> None:
        """Stop at a key that nothing reads, with the nearest names; in a file it is a warning."""
        listed = {key for keys in self.parameters.values() for key in keys}
        internal = set(self.internal_config_dict) - {"MODEL_TYPE", "MODEL_INPUT_TYPE"}  # of the model's class
        refuse_taken_keys(listed | internal | table_start_values().keys())
        read_keys = our_keys() | _ENTRY_KEYS | listed | internal | also_read(self.final_config_dict)
        for source, given in (("command line", self.cmd_config_dict), ("dict", self.variable_config_dict)):
            for key in given:
                if key not in read_keys and key not in self.file_config_dict:
                    raise UserError(f"Unknown key {key!r} ({source}){nearest(key, read_keys)}")
        for key in self.file_config_dict:
            if key not in read_keys:
                near = nearest(str(key), read_keys) or "."
                self._tell_unread(key, f"Unknown key {key!r} in a configuration file; nothing reads it{near}")

    def _tell_unread(self, key: str, warning: str) -> None:
        """Say that nothing reads a key of a file: no error, as users of RecBole share files between models."""
        logger.warning(warning)

    def _set_stock_sampler(self) -> None:
        """Translate `recbole:...` into `train_neg_sample_args`, and tell models how many negatives they will get."""
        settings, arguments = self.settings, self.final_config_dict["train_neg_sample_args"]
        if self.method.base is not None:
            arguments["sample_num"] = settings.num_negatives
        elif settings.neg_sampler is not None and self.method.sampler is not None:
            kind = self.method.sampler.removeprefix("recbole:")
            arguments.update(
                distribution="popularity" if kind == "popularity" else "uniform",
                sample_num=settings.num_negatives,
                alpha=settings.popularity_exponent,
                dynamic=kind == "dynamic",
                candidate_num=settings.neg_candidates if kind == "dynamic" else 0,
            )
