"""DTL-NS (Wu et al., arXiv 2602.18249): the tree view on MixGCF, trained with inferred positives."""

from recbole_dtlns.samplers.methods.mixgcf import MixGCF


class DTLNS(MixGCF):
    """MixGCF with the tree view on by default and, unless a judge is named, the rule judge's inferred positives.

    The view pulls towards items near the positive, the likeliest false negatives; it relies on those having been
    found and made positives before. On models whose layers are not to be had the view goes on top of DNS instead.
    """

    tree_view_by_default = True
