"""Every way of scoring equals one prompt a pair, for models with and without sliding windows."""

import weakref

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from recbole_dtlns.config.choices import SCORING_METHODS  # noqa: E402
from recbole_dtlns.errors import UserError  # noqa: E402
from recbole_dtlns.llm import scoring  # noqa: E402
from recbole_dtlns.llm.scoring import LabelScorer  # noqa: E402

SIZES = {
    "vocab_size": 320,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.3,  # far from uniform, so that a wrong mask shows
}
LABELS = (5, 6)
WINDOW = 16


def make(kind: str):
    torch.manual_seed(0)
    kinds = {
        "llama": lambda: transformers.LlamaForCausalLM(transformers.LlamaConfig(**SIZES)),
        "mistral with a window": lambda: transformers.MistralForCausalLM(
            transformers.MistralConfig(**SIZES, sliding_window=WINDOW)
        ),
        "gemma 3, two kinds of layers": lambda: transformers.Gemma3ForCausalLM(
            transformers.Gemma3TextConfig(
                **SIZES,
                head_dim=16,
                sliding_window=WINDOW,
                layer_types=["sliding_attention", "full_attention", "sliding_attention"],
            )
        ),
        "gemma 2, soft-capped": lambda: transformers.Gemma2ForCausalLM(
            transformers.Gemma2Config(**SIZES, head_dim=16, sliding_window=WINDOW, final_logit_softcapping=2.0)
        ),
        "granite, scaled": lambda: transformers.GraniteForCausalLM(
            transformers.GraniteConfig(**SIZES, logits_scaling=4.0)
        ),
    }
    return kinds[kind]().float().eval()


KINDS = [*("llama", "mistral with a window", "gemma 3, two kinds of layers", "gemma 2, soft-capped", "granite, scaled")]


def prompts(seed: int = 0):
    """Seven users whose prompts begin alike, of lengths below and beyond the window."""
    rng = np.random.default_rng(seed)
    head = rng.integers(10, 300, 7).tolist()
    made, owners = [], []
    for user in range(7):
        prefix = head + rng.integers(10, 300, rng.integers(0, 40)).tolist()
        for _ in range(rng.integers(1, 6)):
            made.append(prefix + rng.integers(10, 300, rng.integers(1, 9)).tolist())
            owners.append(user)
    return made, np.array(owners)


def truth(model, made):
    """One prompt a pair, by the model's own head."""
    with torch.inference_mode():
        logits = torch.stack([model(torch.tensor([prompt])).logits[0, -1].double() for prompt in made])
    logs = torch.log_softmax(logits, dim=1)[:, list(LABELS)]
    return (logs[:, 0] - logs[:, 1]).numpy(), logs.exp().sum(1).numpy()


@pytest.mark.parametrize("kind", KINDS)
def test_every_method_equals_one_prompt_a_pair(kind):
    model = make(kind)
    made, owners = prompts()
    margins, mass = truth(model, made)
    assert margins.std() > 0.05  # else equality would say nothing
    for method in SCORING_METHODS:
        for batch_tokens in (None, 200, 40):
            scored, scored_mass = LabelScorer(model, LABELS, method, batch_tokens).score(made, owners)
            np.testing.assert_allclose(scored, margins, atol=1e-4, err_msg=f"{method} {batch_tokens}")
            np.testing.assert_allclose(scored_mass, mass, atol=1e-4, err_msg=f"{method} {batch_tokens}")


def test_several_packs_a_user_give_the_same(monkeypatch):
    model = make("llama")
    made, owners = prompts()
    monkeypatch.setattr(scoring, "_CPU_PACK", 12)
    np.testing.assert_allclose(LabelScorer(model, LABELS).score(made, owners)[0], truth(model, made)[0], atol=1e-4)


@pytest.mark.parametrize("kind", ["llama", "gemma 3, two kinds of layers"])
def test_what_candidates_begin_with_is_read_once(kind):
    """Suffixes over two tokens share beginnings, repeat one another, and begin one another."""
    model = make(kind)
    rng = np.random.default_rng(1)
    head = rng.integers(10, 300, 20).tolist()
    made = [[*head, 9, *rng.integers(7, 9, rng.integers(1, 7)).tolist()] for _ in range(24)]
    made += [made[0], [*made[0], 8]]
    owners = np.zeros(len(made), dtype=np.int64)
    scorer = LabelScorer(model, LABELS, "packed")
    margins, mass = scorer.score(made, owners)
    expected, expected_mass = truth(model, made)
    np.testing.assert_allclose(margins, expected, atol=1e-4)
    np.testing.assert_allclose(mass, expected_mass, atol=1e-4)
    nodes = {tuple(prompt[:end]) for prompt in made for end in range(22, len(prompt) + 1)}
    assert scorer.tokens == 21 + len(nodes)


def test_what_users_share_is_read_once():
    model = make("llama")
    made, owners = prompts()
    scorer = LabelScorer(model, LABELS, "shared")
    scorer.score(made, owners)
    prefixes = {tuple(made[place][:7]) for place in range(len(made))}
    assert len(prefixes) == 1
    first = scorer.tokens
    users = [[made[place] for place in np.flatnonzero(owners == user)] for user in range(7)]
    expected = 7
    for of_user in users:
        shared = scoring.common_prefix_length(of_user)
        shared = min(shared, min(map(len, of_user)) - 1)
        expected += shared - 7 + sum(len(prompt) - shared for prompt in of_user)
    assert first == expected
    scorer.score(made, owners)
    assert scorer.tokens - first == expected - 7
    single = LabelScorer(model, LABELS, "single")
    single.score(made, owners)
    assert single.tokens == sum(map(len, made))


def test_the_order_of_answers_is_that_of_the_prompts():
    model = make("llama")
    made, owners = prompts()
    margins, _ = LabelScorer(model, LABELS, "shared").score(made, owners)
    order = np.concatenate([np.flatnonzero(owners == user) for user in (3, 0, 6, 1, 5, 2, 4)])
    moved, _ = LabelScorer(model, LABELS, "shared").score([made[place] for place in order], owners[order])
    np.testing.assert_allclose(moved, margins[order], atol=1e-5)


def test_out_of_memory_halves_the_batch_and_loses_nothing(monkeypatch):
    model = make("llama")
    made, owners = prompts()
    scorer = LabelScorer(model, LABELS, "shared", 2000)
    forward, limit = model.model.forward, 150

    def small_memory(tokens, *args, past_key_values=None, **kwargs):
        if tokens.shape[0] * (tokens.shape[1] + past_key_values.get_seq_length()) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(tokens, *args, past_key_values=past_key_values, **kwargs)

    monkeypatch.setattr(model.model, "forward", small_memory)
    scored, _ = scorer.score(made, owners)
    monkeypatch.undo()
    np.testing.assert_allclose(scored, truth(model, made)[0], atol=1e-4)
    assert scorer.batch_tokens < 2000


def test_when_memory_ran_out_the_tensors_of_the_failed_batch_are_gone_before_the_next(monkeypatch):
    model = make("llama")
    made, owners = prompts()
    scorer = LabelScorer(model, LABELS, "shared", 2000)
    batch, tensors, alive = scorer._batch, [], []

    def runs_out_once(users):
        for pairs, hidden in batch(users):
            if tensors:
                yield pairs, hidden
            else:
                tensors.append(weakref.ref(hidden))
                yield pairs, hidden
                raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(scorer, "_batch", runs_out_once)
    monkeypatch.setattr(scoring.logger, "warning", lambda *_: alive.append(tensors[0]() is not None))
    scorer.score(made, owners)
    assert alive == [False]


def test_no_memory_at_all_is_explained(monkeypatch):
    model = make("llama")
    made, owners = prompts()
    scorer = LabelScorer(model, LABELS, "shared")

    def none(*args, **kwargs):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes")

    monkeypatch.setattr(model.model, "forward", none)
    with pytest.raises(UserError, match="does not hold the model and one prompt"):
        scorer.score(made, owners)


def test_other_errors_are_not_taken_for_a_lack_of_memory(monkeypatch):
    model = make("llama")
    made, owners = prompts()
    scorer = LabelScorer(model, LABELS, "shared")
    monkeypatch.setattr(model.model, "forward", lambda *a, **k: (_ for _ in ()).throw(RuntimeError("shape mismatch")))
    with pytest.raises(RuntimeError, match="shape mismatch"):
        scorer.score(made, owners)


def test_a_head_that_is_not_understood_is_refused():
    model = make("llama")
    head = model.lm_head.forward
    model.lm_head.forward = lambda hidden: 2 * head(hidden) + torch.arange(SIZES["vocab_size"])
    with pytest.raises(UserError, match="changes its logits"):
        LabelScorer(model, LABELS)


def test_label_logits_are_taken_in_fp32():
    """In bf16 logits near 20 have steps of 0.125, and the candidates of a user differ by less."""
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**(SIZES | {"initializer_range": 1.0})))
    model = model.to(torch.bfloat16).eval()
    made, owners = prompts()
    margins, _ = LabelScorer(model, LABELS, "single", 1).score(made, owners)
    with torch.inference_mode():
        hidden = torch.stack([model.model(torch.tensor([prompt])).last_hidden_state[0, -1] for prompt in made])
        rounded = model.lm_head(hidden).float()[:, LABELS[0]] - model.lm_head(hidden).float()[:, LABELS[1]]
    weights = model.lm_head.weight.detach().float()[list(LABELS)]
    exact = hidden.float() @ (weights[0] - weights[1])
    np.testing.assert_allclose(margins, exact.numpy(), atol=1e-3)
    assert np.abs(margins - rounded.numpy()).max() > 0.02


def test_a_model_without_a_sharable_cache_is_read_prompt_by_prompt(monkeypatch):
    from recbole_dtlns.llm.prefixes import PrefixCache

    model = make("llama")
    init = PrefixCache.__init__

    def unusable(self, *args):
        init(self, *args)
        self.usable = False

    monkeypatch.setattr(PrefixCache, "__init__", unusable)
    scorer = LabelScorer(model, LABELS, "packed")
    assert scorer.method == "single"
    made, owners = prompts()
    np.testing.assert_allclose(scorer.score(made, owners)[0], truth(model, made)[0], atol=1e-4)
