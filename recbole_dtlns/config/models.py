"""RecBole's models and ours, by name."""

from __future__ import annotations

import re
from typing import Any

from recbole_dtlns.config.config_files import read_yaml
from recbole_dtlns.config.declared import table
from recbole_dtlns.config.nearest import nearest
from recbole_dtlns.config.recbole_files import recbole_folder
from recbole_dtlns.errors import UserError


def model_class(name: str) -> Any:
    """The class of that name: RecBole's, or one of ours."""
    from recbole.utils import get_model

    return table("models").get(name) or get_model(name)


def is_sequential(name: str) -> bool:
    """Whether RecBole's model of this name is a sequential one; RecBole is not imported for it."""
    return (recbole_folder() / "model" / "sequential_recommender" / f"{name.lower()}.py").is_file()


def require_model(name: str) -> None:
    """Raise UserError, with near names, unless RecBole has a model of this name."""
    home = recbole_folder()
    modules = home.glob(f"model/*_recommender/{name.lower()}.py")
    if not any(
        re.search(rf"^class {re.escape(name)}\b", module.read_text(encoding="utf-8"), re.M) for module in modules
    ):
        names = sorted(path.stem for path in home.glob("properties/model/*.yaml"))
        raise UserError(f"RecBole has no model {name!r}{nearest(name, names) or '.'}")


def inherited_keys(model_class: Any) -> dict[str, Any]:
    """Start values of the RecBole model that a class of the user's own is derived from."""
    folder = recbole_folder() / "properties" / "model"
    for base in model_class.__mro__:
        path = folder / f"{base.__name__}.yaml"
        if path.is_file():
            return read_yaml(path)
    return {}
