"""`python -m recbole_dtlns`: the same program as `recbole-dtlns` and `run_recbole_dtlns.py`."""

import sys

from recbole_dtlns.cli import main

if __name__ == "__main__":
    sys.exit(main())
