"""Which differences between the rows of a comparison hold, over users and over seeds.

`users`, `seeds` and `multiple` take arrays and know nothing of RecBole; `values` takes those arrays from finished runs,
`significance` puts them together into comparisons, `families` looks at those from one row, and `words` says each of
them in a sentence.

The two questions are kept apart throughout. Over users: would other users of the same kind show the difference, with
the models as they were trained? Over seeds: would models trained from other seeds show it, on the same users?
"""

from recbole_dtlns.comparison.statistics.families import family_of, turned
from recbole_dtlns.comparison.statistics.significance import Compared, all_pairs
from recbole_dtlns.comparison.statistics.words import OVER_SEEDS, OVER_USERS, over_seeds, over_users

__all__ = [
    "OVER_SEEDS",
    "OVER_USERS",
    "Compared",
    "all_pairs",
    "family_of",
    "over_seeds",
    "over_users",
    "turned",
]
