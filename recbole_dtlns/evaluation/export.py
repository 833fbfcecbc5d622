"""User and item vectors of a trained run, whose dot products are the model's scores, for a vector index."""

from __future__ import annotations

import io
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recbole_dtlns.data.tokens import tokens_of
from recbole_dtlns.errors import UserError
from recbole_dtlns.evaluation.loading import LoadedRun
from recbole_dtlns.files.cache import write_atomically
from recbole_dtlns.files.origin import sidecar
from recbole_dtlns.training.ranking import all_scores
from recbole_dtlns.training.scores import TableScores, scoring

_CHECKED = 16  # users whose scores are compared with the model's own


def export_vectors(run: LoadedRun, folder: Path, kind: str = "npy") -> list[Path]:
    """Write the vectors of all users and items, without padding, under the data set's own tokens.

    `npy`: `users.npy` and `items.npy`, float32 [U, d] and [I, d], with `users.tokens.txt` and `items.tokens.txt`, one
    token a line in the order of the rows. `parquet`: `users.parquet` and `items.parquet` with the columns `token` and
    `vector`. `.json` beside each file of vectors says what it was made from.

    Args:
        run: loaded, its model in evaluation mode.
        folder: made where it does not exist; files of the same names are replaced.
        kind: `npy` or `parquet`.

    Returns:
        The files of vectors.

    Raises:
        UserError: the model's score is no dot product, a token holds a line break, or the folder cannot be written.
    """
    dataset = run.split.dataset
    users, items = dot_product_vectors(run.prepared.model, dataset)
    about = {
        "model": run.config["model"],
        "dataset": run.config.dataset,
        "train_hash": run.split.view.train_hash,
        "score": "dot product of a user's and an item's vector",
    }
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for side, vectors in (("user", users), ("item", items)):
            path, tokens = folder / f"{side}s.{kind}", tokens_of(dataset, side)[1:]  # type: ignore[arg-type]
            if kind == "parquet":
                write_atomically(path, _parquet(tokens, vectors[1:]))
            else:
                write_atomically(path, _npy(vectors[1:]))
                write_atomically(folder / f"{side}s.tokens.txt", _lines(tokens))
            write_atomically(sidecar(path), json.dumps({**about, "side": side}, indent=1).encode())
            written.append(path)
    except OSError as error:
        raise UserError(f"--output={folder} cannot be written ({error}). Name a folder that can.") from error
    return written


@torch.no_grad()
def dot_product_vectors(model: Any, dataset: Any) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of users and items, float32 [U, d] and [I, d], whose dot products are the model's scores.

    Rows are internal ids, row 0 is padding. Models that score by the mean of their layers (LightGCN) give the means.

    Raises:
        UserError: the score of the model is no dot product.
    """
    name = type(model).__name__
    source = scoring(model) if hasattr(model, "n_users") else None
    if not isinstance(source, TableScores):
        raise _no_product(name)
    layers = source.source().batch(torch.arange(model.n_users, device=model.device))
    if layers.pooled_items is None:
        queries, items = layers.queries, layers.items
    else:
        queries, items = layers.pooled_users[:, : layers.sizes[0]], layers.pooled_items
    users, items = queries.float().cpu(), items.float().cpu()
    some = np.linspace(1, model.n_users - 1, min(_CHECKED, model.n_users - 1)).astype(np.int64)
    own = all_scores(model, some, dataset.uid_field, dataset.iid_field, dataset.item_num)[:, 1:]
    if not torch.allclose(users[some] @ items[1:].T, own, rtol=1e-3, atol=1e-4 * float(own.abs().max())):
        raise _no_product(name)
    return users.numpy(), items.numpy()


def check_parquet() -> None:
    """Raise UserError where pyarrow, which writes Parquet, is not installed."""
    if find_spec("pyarrow") is None:
        raise UserError("--format=parquet needs pyarrow, which is not installed. Install it, or take --format=npy.")


def _no_product(name: str) -> UserError:
    return UserError(
        f"export needs a model whose score is the dot product of a user's and an item's vector, and that of {name} is "
        "not. Export a run of BPR, LightGCN, NGCF or another model with such vectors; `recommend` lists items of any."
    )


def _npy(vectors: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(vectors))
    return file.getvalue()


def _lines(tokens: np.ndarray) -> bytes:
    lines = tokens.tolist()
    broken = [token for token in lines if len(token.splitlines()) != 1]
    if broken:
        raise UserError(f"The token {broken[0]!r} is no line of text, so it cannot be exported. Take --format=parquet.")
    return "".join(f"{token}\n" for token in lines).encode()


def _parquet(tokens: np.ndarray, vectors: np.ndarray) -> bytes:
    import pyarrow
    from pyarrow import parquet

    flat = pyarrow.array(np.ascontiguousarray(vectors).reshape(-1))
    column = pyarrow.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    file = io.BytesIO()
    parquet.write_table(pyarrow.table({"token": tokens.tolist(), "vector": column}), file)
    return file.getvalue()
