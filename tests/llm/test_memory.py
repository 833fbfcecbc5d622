"""The memory estimate: known parameter counts, known bytes, and what a loaded model really holds."""

import pytest

from recbole_dtlns.errors import UserError
from recbole_dtlns.llm.memory import GB, ModelShape, TokenBudget, estimate, weight_bytes
from recbole_dtlns.llm.model_sizes import CARDS_GB, MODELS, examples_by_memory, fitting_models, llama_shape

PUBLISHED = {
    "Qwen/Qwen2.5-0.5B-Instruct": 494_032_768,
    "meta-llama/Llama-3.2-1B-Instruct": 1_235_814_400,
    "meta-llama/Llama-3.2-3B-Instruct": 3_212_749_824,
    "Qwen/Qwen2.5-7B-Instruct": 7_615_616_512,
    "meta-llama/Llama-3.1-8B-Instruct": 8_030_261_248,
    "mistralai/Mistral-Nemo-Instruct-2407": 12_247_782_400,
    "microsoft/phi-4": 14_659_507_200,
    "Qwen/Qwen3-14B": 14_768_307_200,
    "Qwen/Qwen2.5-32B-Instruct": 32_763_876_352,
}
LLAMA_8B = MODELS["meta-llama/Llama-3.1-8B-Instruct"]


@pytest.mark.parametrize(("name", "count"), PUBLISHED.items())
def test_parameter_counts_are_the_published_ones(name, count):
    assert MODELS[name].parameters == count


def test_models_are_listed_from_small_to_large():
    sizes = [shape.parameters for shape in MODELS.values()]
    assert sizes == sorted(sizes)


@pytest.mark.parametrize(
    ("quantization", "double", "bits"),
    [("nf4", False, 4.5), ("nf4", True, 4.127), ("int8", True, 8), ("none", True, 16)],
)
def test_bits_of_a_weight(quantization, double, bits):
    one_layer = ModelShape({(4096, 16384): 1}, others=0, layers=1, kv_width=0, hidden=0, intermediate=0)
    size = weight_bytes(one_layer, quantization, double)
    assert 8 * size / one_layer.parameters == pytest.approx(bits, abs=0.003)


def test_other_weights_keep_the_compute_type():
    norms = ModelShape({}, others=1000, layers=1, kv_width=0, hidden=0, intermediate=0)
    assert weight_bytes(norms, "nf4", width=4) == 4000


def test_a_cached_token_of_the_8b_llama_takes_128_kb():
    with_token, without = (estimate(LLAMA_8B, "nf4", tokens=TokenBudget(count, 0)).key_values for count in (1, 0))
    assert with_token - without == 128 * 1024


def test_on_a_cpu_quantising_needs_the_16_bit_weights_as_well():
    on_gpu, on_cpu = (estimate(LLAMA_8B, "nf4", on_cpu=cpu) for cpu in (False, True))
    assert on_gpu.total < on_cpu.total
    assert on_cpu.total == on_cpu.load_peak == on_cpu.weights + 2 * LLAMA_8B.parameters
    plain = estimate(LLAMA_8B, "none", on_cpu=True)
    assert plain.load_peak == plain.weights


def test_the_8b_model_fits_in_8_gb_with_nf4_only():
    fits = {(fit.name, fit.quantization) for fit in fitting_models(8)}
    name = "meta-llama/Llama-3.1-8B-Instruct"
    assert (name, "nf4") in fits
    assert (name, "int8") not in fits
    assert (name, "none") not in fits


def test_more_memory_fits_more_and_nothing_fits_in_none():
    counts = [len(fitting_models(memory)) for memory in (0, 2, 8, 24, 1000)]
    assert counts[0] == 0
    assert counts == sorted(set(counts))
    assert counts[-1] == 3 * len(MODELS)
    assert all(fit.memory_gb <= 8 for fit in fitting_models(8))


def test_more_tokens_need_more_memory():
    assert len(fitting_models(8, TokenBudget(100_000, 50_000))) < len(fitting_models(8))


def test_examples_have_a_line_for_each_card():
    lines = examples_by_memory().splitlines()
    assert [int(line.split()[0]) for line in lines] == list(CARDS_GB)
    assert "Llama-3.2-3B-Instruct (nf4" in lines[0]
    assert "Llama-3.1-8B-Instruct (nf4" in lines[1]
    assert "Qwen2.5-32B-Instruct (nf4" in lines[-1]


def test_a_configuration_gives_the_same_shape_as_the_table():
    transformers = pytest.importorskip("transformers")
    from recbole_dtlns.llm.memory import shape_of

    config = transformers.LlamaConfig(
        hidden_size=3072,
        intermediate_size=8192,
        num_hidden_layers=28,
        num_attention_heads=24,
        num_key_value_heads=8,
        head_dim=128,
        vocab_size=128256,
        tie_word_embeddings=True,
    )
    assert shape_of(config) == MODELS["meta-llama/Llama-3.2-3B-Instruct"]
    small = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4}
    small |= {"num_key_value_heads": 2, "head_dim": 16, "vocab_size": 100}
    qwen2 = transformers.Qwen2Config(**small, tie_word_embeddings=False)
    assert shape_of(qwen2) == llama_shape(64, 96, 3, 4, 2, 16, 100, biases=True)
    qwen3 = transformers.Qwen3Config(**small, tie_word_embeddings=False)
    assert shape_of(qwen3) == llama_shape(64, 96, 3, 4, 2, 16, 100, head_norms=True)


def test_conv1d_layers_of_gpt2_count_as_linear_layers():
    transformers = pytest.importorskip("transformers")
    from recbole_dtlns.llm.memory import shape_of

    shape = shape_of(transformers.GPT2Config(n_embd=64, n_layer=2, n_head=4, vocab_size=100, n_positions=32))
    assert sum(shape.linears.values()) == 2 * 4
    assert (shape.layers, shape.kv_width, shape.intermediate) == (2, 64, 256)


@pytest.mark.parametrize("quantization", ["none", "int8", "nf4"])
@pytest.mark.parametrize("double", [True, False])
def test_the_estimate_is_near_what_a_loaded_model_holds(tiny_llama, tmp_path, quantization, double):
    pytest.importorskip("bitsandbytes")
    from recbole_dtlns.llm.loading import LoadSettings, load_model
    from recbole_dtlns.llm.memory import shape_of

    settings = LoadSettings(str(tiny_llama), quantization=quantization, double_quantization=double, device_map="cpu")
    loaded = load_model(settings, tmp_path)
    expected = weight_bytes(shape_of(loaded.model.config), quantization, double)
    assert loaded.memory_mb * 2**20 == pytest.approx(expected, rel=0.1)


def test_a_model_that_does_not_fit_is_refused_with_what_would(tmp_path):
    transformers = pytest.importorskip("transformers")
    from recbole_dtlns.llm.checkpoint import Checkpoint
    from recbole_dtlns.llm.devices import Target
    from recbole_dtlns.llm.memory import DEFAULT_TOKENS
    from recbole_dtlns.llm.memory_check import check_memory

    torch = pytest.importorskip("torch")
    sizes = {"hidden_size": 4096, "intermediate_size": 14336, "num_key_value_heads": 8, "vocab_size": 128256}
    checkpoint = Checkpoint("x", False, {}, "big", "1", transformers.LlamaConfig(**sizes), None)
    gpu = Target(torch.device("cuda:0"), False, "bfloat16", torch.bfloat16)
    with pytest.raises(UserError, match=r"big \(none\) needs an estimated 16\.\d GB") as refused:
        check_memory(checkpoint, "none", True, gpu, DEFAULT_TOKENS, 8)
    message = str(refused.value)
    assert "8.0 GB are allowed by llm_memory_gb" in message
    assert "llm_quantization=nf4 (6.9 GB)" in message
    assert "Llama-3.2-3B-Instruct" in message
    assert "Llama-3.1-8B" not in message
    with pytest.raises(UserError, match=r"smaller batches \(at most 4096 tokens cached and 2048 in one forward\)"):
        check_memory(checkpoint, "nf4", True, gpu, DEFAULT_TOKENS, 6.5)
    with pytest.raises(UserError, match="a larger device is needed"):
        check_memory(checkpoint, "nf4", True, gpu, DEFAULT_TOKENS, 0.1)
    check_memory(checkpoint, "nf4", True, gpu, DEFAULT_TOKENS, 8)
    cpu = Target(torch.device("cpu"), False, "bfloat16", torch.bfloat16)
    with pytest.raises(UserError, match="at the peak of loading"):
        check_memory(checkpoint, "nf4", True, cpu, DEFAULT_TOKENS, 17)
    check_memory(checkpoint, "none", True, cpu, DEFAULT_TOKENS, 17)
    stored = transformers.LlamaConfig(**sizes)
    stored.quantization_config = {"quant_method": "gptq", "bits": 4}
    check_memory(Checkpoint("x", False, {}, "big", "1", stored, None), "stored:gptq", True, cpu, DEFAULT_TOKENS, 8)


def test_free_memory_is_asked_of_the_device_where_none_is_given(tiny_llama, tmp_path, monkeypatch):
    pytest.importorskip("accelerate")
    from recbole_dtlns.llm import memory_check
    from recbole_dtlns.llm.loading import LoadSettings, load_model

    monkeypatch.setattr(memory_check, "free_bytes", lambda target: 1000)
    with pytest.raises(UserError, match=r"0\.0 GB are free on the CPU"):
        load_model(LoadSettings(str(tiny_llama), device_map="cpu"), tmp_path)
    assert load_model(LoadSettings(str(tiny_llama), device_map="cpu", memory_gb=1), tmp_path).memory_mb < 1024


def test_gb_is_the_one_on_the_label():
    assert GB == 2**30
