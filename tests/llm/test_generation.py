"""Reading answers in words, and generating them in batches."""

import math

import numpy as np
import pytest

from recbole_dtlns.llm.prompts import Prompt

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from recbole_dtlns.llm.generation import Generator, read_label  # noqa: E402

PROMPT = Prompt.read("reference")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('[{"item_id": 0, "label": "positive"}]', 1),
        ('[{"item_id": 0, "label": "negative"}]', 0),
        ('```json\n[{"item_id": 0, "label": "positive"}]\n```', 1),
        ('[{"item_id": 0, "label": "Negative"', 0),
        ("{'label': 'positive'}", 1),
        ("label: negative, since nothing is positive here", 0),
        ("Positive.", 1),
        ("The answer is negative, not positive", 0),
        ("nonpositive", math.nan),
        ('[{"item_id": 0, "label": "maybe"}]', math.nan),
        ("def classify(items):", math.nan),
        ("", math.nan),
    ],
)
def test_answers_are_read_tolerantly(text, value):
    np.testing.assert_equal(read_label(text, PROMPT), float(value))


def test_batches_of_different_lengths_answer_as_single_prompts(tiny_llama):
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_llama)
    tokenizer.eos_token = "[UNK]"
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32).eval()
    rng = np.random.default_rng(0)
    prompts = [rng.integers(3, 500, length).tolist() for length in (5, 9, 3, 12, 7)]
    texts = {}
    for batch_tokens in (1, 1000):
        generator = Generator(model, tokenizer, PROMPT, batch_tokens, max_new_tokens=5)
        seen = texts.setdefault(batch_tokens, {})
        answers = generator._answers

        def kept(batch, answers=answers, seen=seen):
            given = answers(batch)
            seen.update({tuple(prompt): text for prompt, text in zip(batch, given, strict=True)})
            return given

        generator._answers = kept
        assert generator.score(prompts).shape == (5,)
        assert generator.tokens == sum(map(len, prompts))
    assert texts[1] == texts[1000]
    assert len(set(texts[1].values())) > 1
