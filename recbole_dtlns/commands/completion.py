"""The script with which a shell completes subcommands, keys and their values."""

from __future__ import annotations

import yaml

from recbole_dtlns.commands.keys import key_lines
from recbole_dtlns.commands.pages import SUBCOMMANDS
from recbole_dtlns.config.choices import DECISIONS, SCORING_METHODS, SERVER_APIS
from recbole_dtlns.config.declared import all_judges, sampler_names
from recbole_dtlns.config.recbole_files import recbole_folder
from recbole_dtlns.errors import UserError

_SHELLS = ("bash", "zsh")
_STOCK = ("recbole:uniform", "recbole:popularity", "recbole:dynamic")
_SCRIPT = """\
# Completion of recbole-dtlns; put `source <(recbole-dtlns completion SHELL)` into the start file of your shell.
_recbole_dtlns() {
    local current="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" key="" words=""
    if [[ "$current" == "=" ]]; then
        key="$before"; current=""
    elif [[ "$before" == "=" ]]; then
        key="${COMP_WORDS[COMP_CWORD-2]}"
    fi
    case "$key" in
CASES
        "") ;;
        *) COMPREPLY=($(compgen -f -- "$current")); return ;;
    esac
    if [[ -n "$key" ]]; then
        COMPREPLY=($(compgen -W "$words" -- "$current"))
    elif [[ "$current" == -* ]]; then
        COMPREPLY=($(compgen -W "KEYS" -- "$current"))
        [[ "${COMPREPLY[0]}" == *= ]] && compopt -o nospace 2>/dev/null
    elif [[ "$COMP_CWORD" -eq 1 ]]; then
        COMPREPLY=($(compgen -W "COMMANDS" -- "$current"))
    elif [[ "$COMP_CWORD" -eq 2 && "${COMP_WORDS[1]}" == "trees" ]]; then
        COMPREPLY=($(compgen -W "update" -- "$current"))
    else
        COMPREPLY=($(compgen -f -- "$current"))
    fi
    return 0
}
complete -F _recbole_dtlns recbole-dtlns
"""


def main(arguments: list[str]) -> int:
    """Run `completion bash` or `completion zsh`."""
    if len(arguments) != 1 or arguments[0] not in _SHELLS:
        given = f"; found {' '.join(arguments)}" if arguments else ""
        raise UserError(f"completion needs the name of a shell, {' or '.join(_SHELLS)}{given}.")
    print(script(arguments[0]), end="")
    return 0


def script(shell: str) -> str:
    """The script for a shell, `bash` or `zsh`; zsh reads that of bash after `bashcompinit`."""
    flags = ["--help", "--help_keys", "--version", *(f"--{key}=" for key in _key_names())]
    cases = "\n".join(f'        {pattern}) words="{" ".join(words)}" ;;' for pattern, words in _values().items())
    text = _SCRIPT.replace("CASES", cases).replace("KEYS", " ".join(flags)).replace("COMMANDS", " ".join(SUBCOMMANDS))
    text = text.replace("SHELL", shell)
    return f"autoload -U +X bashcompinit && bashcompinit\n{text}" if shell == "zsh" else text


def _values() -> dict[str, list[str]]:
    """What stands behind a flag, by the pattern of its name."""
    models = sorted(path.stem for path in recbole_folder().glob("properties/model/*.yaml"))
    return {
        "--model|--models|--candidate_source": models,
        "--neg_sampler|--samplers": [*sampler_names(), *_STOCK],
        "--judge|--judges": sorted(all_judges()),
        "--judge_decision": list(DECISIONS),
        "--llm_method": [*SCORING_METHODS, "generate"],
        "--server_api": list(SERVER_APIS),
        "--positives_loss": ["pairs", "list"],
        "--protocol": ["honest", "reference"],
        "--log": ["short", "full"],
    }


def _key_names() -> list[str]:
    """Our keys, RecBole's general ones, and those of `compare` alone."""
    stock = yaml.safe_load((recbole_folder() / "properties" / "overall.yaml").read_text(encoding="utf-8"))
    own = [key for key, _, _ in key_lines()]
    entry = (
        "model",
        "dataset",
        "config_files",
        "models",
        "datasets",
        "samplers",
        "judges",
        "seeds",
        "plan",
        "trials",
        "engine",
        "ray_address",
        "task_cpus",
        "task_gpus",
        "output",
    )
    return sorted({*own, *stock, *entry})
