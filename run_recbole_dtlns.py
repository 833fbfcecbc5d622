"""python run_recbole_dtlns.py --model=LightGCN --dataset=ml-100k"""

import sys

from recbole_dtlns.cli import main

if __name__ == "__main__":
    sys.exit(main())
