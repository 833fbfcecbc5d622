"""Every fix that RecBole 1.2.1 needs on current Pythons: this folder alone patches other packages.

`apply()` runs when RecBole is imported after this package, or this package after RecBole (`recbole_import`), so the
fixes are in force in spawned processes too: they unpickle objects of ours and import the package to do so.
`recbole.quick_start`, which needs ray, is never imported.
"""

from __future__ import annotations


def apply() -> None:
    """Put every fix in force; calling it again changes nothing."""
    from recbole_dtlns.compat.data import apply_data
    from recbole_dtlns.compat.display import apply_display
    from recbole_dtlns.compat.loading import apply_loading
    from recbole_dtlns.compat.models import apply_models
    from recbole_dtlns.compat.packages import apply_packages
    from recbole_dtlns.compat.reading import apply_reading

    apply_packages()
    apply_models()
    apply_loading()
    apply_data()
    apply_reading()
    apply_display()
