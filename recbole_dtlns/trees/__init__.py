"""The two index trees of DTL-NS (arXiv 2602.18249): close items share the first digits of their codes.

The structural tree knows who was consumed together: Jaccard graph of the items (`item_graph`), its spectral embedding
(`spectral`), balanced recursive k-means (`index_tree`). The semantic tree clusters item vectors in the same way
(`vectors`): those of a trained recommender, of a truncated SVD, or of a file. An item's code is its path from root to
leaf (`codes`), and two items are as similar as the common prefix of their codes is long (`similarity`). `agreement`
says how far the trees differ, `stage` makes both from one training split and keeps them in the cache. `update` lets
finished trees grow: `placement` finds places for new items, `drift` counts what a rebuild would place elsewhere.

Everything but `stage` and `update` takes arrays or a training split. Nothing here knows RecBole, and nothing is
imported before it is asked for.
"""
