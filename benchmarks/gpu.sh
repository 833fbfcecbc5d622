#!/bin/bash
# All that a machine with an NVIDIA GPU tells about this package, in at most 8 minutes and without a network.
#
#     benchmarks/gpu.sh [--device=cpu] [WHEELS] [OUT]
#
# WHEELS: folder of wheels for what is not installed ('' or left out: nothing is missing); OUT: file of the figures,
# gpu.json. PYTHON names the interpreter that has a CUDA build of torch (python3). --device=cpu tries the script itself
# on tiny sizes; its figures say nothing about a GPU. The last line is one JSON object. See docs/performance.md.
set -eu
device=cuda
case "${1:-}" in --device=*) device="${1#--device=}"; shift ;; esac
wheels="${1:-}" out="${2:-gpu.json}" python="${PYTHON:-python3}"
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

missing() { "$python" "$root/benchmarks/gpu_packages.py" "$root/setup.cfg"; }

names="$(missing)"
if [ -n "$names" ]; then
    if [ -z "$wheels" ]; then
        echo "$python has no $names. Give a folder with their wheels (benchmarks/gpu.sh WHEELS), or another" \
            "interpreter (PYTHON=...)." >&2
        exit 2
    fi
    case " $names " in *" recbole "*) "$python" -m pip install --no-index --find-links "$wheels" --no-deps recbole ;; esac
    others="$(missing)"
    # shellcheck disable=SC2086  # one word a package
    [ -z "$others" ] || "$python" -m pip install --no-index --find-links "$wheels" $others
fi
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
exec "$python" "$root/benchmarks/gpu.py" --device="$device" --out="$out"
