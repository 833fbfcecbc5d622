"""What samplers, judges and candidate sources declare: the one door through which `config` reads their tables.

They lie in folders that stand on this one, so nothing of them is imported here: a table is looked up by its name, as
one of a plugin would be. A plugin adds to the same tables.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from importlib import import_module
from typing import Any

from recbole_dtlns.config.choices import LAYERED_MODELS, STOCK_SAMPLERS
from recbole_dtlns.config.judge_declaration import JudgeDeclaration
from recbole_dtlns.config.nearest import nearest
from recbole_dtlns.config.parsers import Key
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.shipped import PROPERTIES

_TABLES = {
    "samplers": ("recbole_dtlns.samplers", "SAMPLERS"),
    "judges": ("recbole_dtlns.false_negatives.judges", "JUDGES"),
    "other judges": ("recbole_dtlns.false_negatives.judges", "OTHER_JUDGES"),
    "candidate sources": ("recbole_dtlns.false_negatives.candidates.sources", "SOURCES"),
    "other candidate sources": ("recbole_dtlns.false_negatives.candidates.sources", "OTHER_SOURCES"),
    "models": ("recbole_dtlns.training.judged", "OWN_MODELS"),
    "models with layers": ("recbole_dtlns.training.layers", "LAYER_SOURCES"),
}


def table(name: str) -> dict[str, Any]:
    """The classes of that kind by name: `samplers`, `judges`, `models`, ... It is the table itself, not a copy."""
    module, attribute = _TABLES[name]
    classes: dict[str, Any] = vars(import_module(module))[attribute]
    return classes


def declared_keys(*tables: str) -> dict[str, Key]:
    """The keys that the classes of some tables declare as theirs, by name."""
    keys: dict[str, Key] = {}
    for name in tables:
        for kind in table(name).values():
            own = getattr(kind, "keys", None)  # what is no such class is refused when named
            if own is None:
                continue
            if not isinstance(own, Mapping) or not all(isinstance(key, Key) for key in own.values()):
                raise UserError(
                    f"{kind.__name__}.keys is {own!r}. `keys` declares configuration keys: expected "
                    '{"name": Key(default, parser, meaning)}. Write them so, or give the attribute another name.'
                )
            keys.update(own)
    return keys


def all_judges() -> dict[str, type[JudgeDeclaration]]:
    """What `judge` may be, with what each declares."""
    return {name: declared(name) for name in {**table("other judges"), **table("judges")}}


def _completed(name: str, kind: Any, base: type[JudgeDeclaration]) -> type[JudgeDeclaration]:
    """A judge's class; a plain one, of a plugin, gets the start values of `base` for what it does not declare."""
    if not isinstance(kind, type):
        raise UserError(f"The judge {name!r} of a plugin is {kind!r}, and must be a class. Write class Mine(Judge).")
    whole: type[JudgeDeclaration] = kind if issubclass(kind, base) else type(kind.__name__, (kind, base), {})
    missing = sorted(getattr(whole, "__abstractmethods__", ()))
    if missing:
        raise UserError(
            f"The judge {name!r} of a plugin lacks {', '.join(missing)}. Add what is missing; docs/extending.md has a "
            "whole judge."
        )
    return whole


def require_judge(name: str) -> None:
    """Raise UserError, with near names, unless there is a judge of this name."""
    names = sorted({**table("other judges"), **table("judges")})
    if name not in names:
        raise UserError(f"There is no judge {name!r}{nearest(name, names) or '.'} Known: {', '.join(names)}.")


def declared(judge: str) -> type[JudgeDeclaration]:
    """What the judge of this name declares.

    Raises:
        UserError: there is none, or a plugin's is no class or lacks a method.
    """
    require_judge(judge)
    asked = table("judges")
    if judge not in asked:
        return _completed(judge, table("other judges")[judge], JudgeDeclaration)
    return _completed(judge, asked[judge], vars(import_module(_TABLES["judges"][0]))["Judge"])


def require_asked(judge: str) -> None:
    """Raise UserError, with the names that there are, unless this judge is asked pair by pair."""
    asked_judges = table("judges")
    if judge not in asked_judges:
        raise UserError(
            f"There is no judge {judge!r} that answers questions. Give one of {', '.join(sorted(asked_judges))}."
        )


def asked_judges(judge: str, options: Mapping[str, Any]) -> set[str]:
    """This judge, the judges that it learns from, and those that they learn from; `options` are our keys."""
    names, new = {judge}, {judge}
    while new:
        new = {other for name in new & set(all_judges()) for other in declared(name).asks(options)} - names
        names |= new
    return names


def sampler_names() -> list[str]:
    """Names of the samplers that come with the package, from their YAML files: torch is not imported for them."""
    return sorted(path.stem for path in (PROPERTIES / "sampler").glob("*.yaml"))


def is_sampler(name: str) -> bool:
    """Whether `name` is a sampler of ours, of a plugin, or of RecBole's own loader."""
    return name in STOCK_SAMPLERS or name in sampler_names() or name in table("samplers")


def gives_layers(model: str) -> bool:
    """Whether samplers get the layers of RecBole's model of this name, or of a plugin's."""
    return model in LAYERED_MODELS or model in table("models with layers")


def require_sampler(name: str) -> None:
    """Raise UserError, listing the names, unless `name` is a sampler of ours or of RecBole's own loader."""
    if not is_sampler(name):
        raise UserError(
            f"There is no sampler {name!r}. Ours are {', '.join(table('samplers'))}; RecBole's own loader gives "
            f"{', '.join(STOCK_SAMPLERS)}. Your own are named after --plugins=my_file.py has added them to SAMPLERS."
        )
    kind = table("samplers").get(name, object)
    if not isinstance(kind, type):
        raise UserError(
            f"The sampler {name!r} of a plugin is {kind!r}, and must be a class. Write "
            f"SAMPLERS[{name!r}] = {type(kind).__name__}, without calling it."
        )


def refuse_taken_keys(taken: Collection[str]) -> None:
    """Raise UserError where a class that is not ours declares a key that belongs to no single part.

    A key that it has from a class of ours is that class's.

    Args:
        taken: keys of RecBole, and those of ours that no sampler, judge or source declares.
    """
    kinds = [kind for name in _TABLES if not name.startswith("models") for kind in table(name).values()]
    for kind in kinds:
        if isinstance(kind, type) and not _is_ours(kind):
            from_ours = {key for base in kind.__mro__ if _is_ours(base) for key in getattr(base, "keys", None) or ()}
            both = sorted(({*(getattr(kind, "keys", None) or ())} - from_ours).intersection(taken))
            if both:
                raise UserError(
                    f"{kind.__name__}.keys declares {', '.join(both)}, which RecBole or this package reads already: "
                    "the value would not be yours alone. Choose another name."
                )


def _is_ours(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "recbole_dtlns"
