"""Item vectors of the semantic tree: from the training matrix alone, or from a file."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from recbole_dtlns.data.tokens import positions
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.item_lines import read_lines, refuse_duplicates, refuse_unknown
from recbole_dtlns.files.text_lines import quote_line
from recbole_dtlns.trees.eigen import precision_of, product_of
from recbole_dtlns.trees.spectral import component_embedding

logger = logging.getLogger(__name__)


def svd_vectors(train: sparse.csr_matrix, dimensions: int = 64) -> np.ndarray:
    """Item vectors from the truncated SVD of N = D_user^-1/2 M D_item^-1/2.

    The right singular vectors are the eigenvectors of N^T N, which is never formed. The trivial one of each component
    (value 1: nothing but popularity) is left out, the others are weighed by their squared singular values, components
    are told apart and rows brought to length 1, all as in `component_embedding`. O(pairs x dimensions) for each of
    some ten restarts.

    Args:
        train: CSR [U, I], no padding row or column; every stored non-zero counts as one interaction.
        dimensions: number of columns.

    Returns:
        float64 (above `eigen.ARPACK_SIZE` items float32) [I, dimensions]; zero rows for items without an interaction,
        zero columns beyond the rank.

    Source: our stand-in for the item vectors of DTL-NS, whose file and producer the authors do not ship.
    """
    precision = precision_of(train.shape[1])
    matrix = sparse.csr_matrix(train, dtype=precision, copy=True)
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    matrix.data[:] = 1
    item_degree = np.bincount(matrix.indices, minlength=matrix.shape[1])
    seen = np.flatnonzero(item_degree)
    vectors = np.zeros((matrix.shape[1], dimensions), dtype=precision)
    if len(seen) == 0:
        return vectors
    matrix, item_degree = matrix[:, seen], item_degree[seen]
    users_by_items = sparse.block_array([[None, matrix.T], [matrix, None]], format="csr")
    labels = connected_components(users_by_items, directed=False)[1][: len(seen)]
    labels = np.unique(labels, return_inverse=True)[1]  # users without items are components too: close the gaps
    user_degree = np.maximum(np.diff(matrix.indptr), 1)
    normal = sparse.diags_array(user_degree**-0.5) @ matrix @ sparse.diags_array(item_degree**-0.5)
    normal = normal.tocsr().astype(precision)
    forth, back = product_of(normal), product_of(normal.T.tocsr())
    vectors[seen] = component_embedding(lambda x: back(forth(x)), item_degree, labels, dimensions)
    return vectors


def lacking_mark(lacking: int, items: int) -> list[str]:
    """The mark of a result whose item vectors lack some items; none where all are there."""
    return [f"{lacking} of {items} items have no vector in item_vectors; they got the mean"] if lacking else []


def read_vectors(path: Path, items: np.ndarray, drop_unknown: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Read item vectors from `NAME.npy` with `NAME.tokens.txt` beside it, or from RecBole's feature embedding file.

    The array is numeric [n, d], its token file has one token a line in the order of the rows. RecBole's file has the
    header `iid:token<TAB>item_emb:float_seq` (names are free) and values separated by blanks.

    Args:
        path: the file; the ending `.npy` decides how it is read.
        items: their tokens, str [I + 1], padding at 0.
        drop_unknown: leave out vectors of items that are not known, and log how many.

    Returns:
        Vectors float64 [I, d] of `items[1:]`, and bool [I], True where the file has none; such items get the mean
        of the known items that have one, and their number is logged.

    Raises:
        UserError: unreadable or malformed (with the line), values that are not finite, tokens twice, unknown items,
            or no vector for any known item.
    """
    path = Path(path)
    tokens, values = _read_array(path) if path.suffix == ".npy" else _read_atomic(path)
    at = positions(items, tokens)
    refuse_unknown(path, tokens[at == 0], drop_unknown)
    if not at.any():
        raise UserError(f"{path} holds no vector of any of the {len(items) - 1} items of the training split.")
    vectors = np.zeros((len(items), values.shape[1]))
    missing = np.ones(len(items), dtype=bool)
    vectors[at] = values  # those of unknown items land in row 0, padding
    missing[at] = False
    vectors, missing = vectors[1:], missing[1:]
    if not at.all():
        logger.warning("%s: %d vectors of items outside the training split are dropped.", path, (at == 0).sum())
    vectors[missing] = vectors[~missing].mean(axis=0)
    if missing.any():
        logger.warning("%d of %d items have no vector in %s; they get the mean.", missing.sum(), len(missing), path)
    return vectors, missing


def _read_array(path: Path) -> tuple[np.ndarray, np.ndarray]:
    names = path.with_suffix(".tokens.txt")
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path} cannot be read as a numeric array ({error}). Save it with numpy.save.") from error
    if not isinstance(values, np.ndarray) or values.ndim != 2 or values.dtype.kind not in "fiu" or not values.size:
        raise UserError(
            f"{path} holds {getattr(values, 'dtype', type(values))} of shape {getattr(values, 'shape', None)}; "
            "expected numbers of shape [items, dimensions]."
        )
    tokens = np.array(read_lines(names, "item tokens, one a line, in the order of the vectors"), dtype=str)
    if len(tokens) != len(values):
        raise UserError(f"{names} has {len(tokens)} lines, but {path} has {len(values)} rows. Give a token for each.")
    refuse_duplicates(names, tokens, np.arange(1, len(tokens) + 1))
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(bad):
        raise UserError(
            f"{path}: row {bad[0]} (item {str(tokens[bad[0]])!r}) holds NaN or infinity. Repair its vector."
        )
    return tokens, values.astype(np.float64)


def _read_atomic(path: Path) -> tuple[np.ndarray, np.ndarray]:
    lines = read_lines(path, "a header `iid:token<TAB>item_emb:float_seq` and a line for each item")
    kinds = [name.rpartition(":")[2] for name in lines[0].split("\t")] if lines else []
    if kinds != ["token", "float_seq"]:
        raise UserError(
            f"{quote_line(path, 1, lines[0] if lines else '')} is no header of item vectors; expected "
            "`iid:token<TAB>item_emb:float_seq`. An array of vectors must end in .npy."
        )
    tokens: list[str] = []
    rows: list[np.ndarray] = []
    numbers: list[int] = []
    for number, line in enumerate(lines[1:], start=2):
        if not line:
            continue
        token, _, text = line.partition("\t")
        try:
            row = np.array(text.split(), dtype=np.float64)
        except ValueError:
            row = np.zeros(0)
        if not len(row) or not np.isfinite(row).all() or (rows and len(row) != len(rows[0])):
            raise UserError(
                f"{quote_line(path, number, line)} should hold a token, a tab and {len(rows[0]) if rows else 'some'} "
                "finite numbers separated by blanks. Correct the line."
            )
        tokens.append(token)
        rows.append(row)
        numbers.append(number)
    if not rows:
        raise UserError(f"{path} has a header but no vectors. Expected a line for each item.")
    refuse_duplicates(path, np.array(tokens, dtype=str), np.array(numbers))
    return np.array(tokens, dtype=str), np.vstack(rows)
