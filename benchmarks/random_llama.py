"""A Llama with random weights, made where it will run, layer by layer: for speed and memory, never for answers.

Nothing is downloaded and nothing is written. Weights are drawn one matrix at a time on the model's device and quantised
at once, so the most that is held is the finished model and one matrix in 16 bits.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from recbole_dtlns.llm.cpu_quirks import allow_any_shape, forbid_saving
from recbole_dtlns.llm.devices import target_of
from recbole_dtlns.llm.loading import LoadedModel
from recbole_dtlns.llm.memory import held_bytes
from recbole_dtlns.llm.packages import need_packages, quiet
from recbole_dtlns.llm.prompts import Prompt

SHAPES = {  # hidden, intermediate, layers, heads, key-value heads, words; 8B is Llama-3.1-8B
    "tiny": (256, 512, 4, 4, 2, 1024),
    "1B": (2048, 8192, 16, 32, 8, 128256),
    "3B": (3072, 8192, 28, 24, 8, 128256),
    "8B": (4096, 14336, 32, 32, 8, 128256),
}
PROMPTS = ("compact", "reference")
DEVIATION = 0.02  # of the weights, as Llama's own start


def random_llama(
    shape: str, quantization: str | None, device_map: str | None, tokenizer: str | None = None
) -> LoadedModel:
    """A random model, ready to score.

    Args:
        shape: of `SHAPES`.
        quantization: nf4 or none; None: nf4 on a GPU, none on a CPU.
        device_map: see `device_of`.
        tokenizer: folder of a tokenizer; None: one of the words that our own prompts use.

    Raises:
        UserError: a package or a device is missing.
    """
    need_packages("transformers")
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    target = target_of(device_map, None)
    quantization = quantization or ("nf4" if target.device.type == "cuda" else "none")
    hidden, intermediate, layers, heads, kv_heads, words = SHAPES[shape]
    config = LlamaConfig(
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        vocab_size=words,
        max_position_embeddings=8192,
    )
    with quiet(), torch.device("meta"):
        model: Any = LlamaForCausalLM(config).to(target.dtype)
    generator = torch.Generator(device=target.device).manual_seed(0)
    if quantization == "nf4":
        _quantise(model, target.device, target.dtype, generator)
    _draw_the_rest(model, target.device, generator)
    model.eval().requires_grad_(False)
    if quantization == "nf4" and target.device.type == "cpu":
        allow_any_shape(model)
        forbid_saving(model)
    words_of = AutoTokenizer.from_pretrained(tokenizer) if tokenizer else prompt_tokenizer()
    about = {"model": f"random-{shape}", "revision": "random", "quantization": quantization}
    about |= {"double_quantization": quantization == "nf4" or None, "compute_dtype": target.dtype_name}
    return LoadedModel(model, words_of, target.device, about, held_bytes(model) / 2**20)


def _quantise(model: Any, device: torch.device, dtype: torch.dtype, generator: torch.Generator) -> None:
    """Put an nf4 layer in the place of every linear layer but the head, as a load with llm_quantization=nf4 does."""
    need_packages("bitsandbytes")
    from bitsandbytes.nn import Linear4bit, Params4bit

    head = model.get_output_embeddings()
    for name, linear in list(model.named_modules()):
        if type(linear) is not nn.Linear or linear is head:
            continue
        rows, columns = linear.out_features, linear.in_features
        layer = Linear4bit(
            *(columns, rows), bias=False, compute_dtype=dtype, quant_type="nf4", device=torch.device("meta")
        )
        drawn = _drawn((rows, columns), device, dtype, generator)
        layer.weight = Params4bit(drawn, requires_grad=False, quant_type="nf4", module=layer).to(device)
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, layer)


def _draw_the_rest(model: Any, device: torch.device, generator: torch.Generator) -> None:
    """Give all that is still without memory its numbers: matrices at random, norms ones, the rotation its own."""
    model.model.rotary_emb = type(model.model.rotary_emb)(model.config).to(device)
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            if parameter.is_meta:
                shape, dtype = tuple(parameter.shape), parameter.dtype
                drawn = len(shape) == 2
                values = _drawn(shape, device, dtype, generator) if drawn else torch.ones(shape, dtype=dtype)
                setattr(module, name, nn.Parameter(values.to(device), requires_grad=False))


def _drawn(
    shape: tuple[int, ...], device: torch.device, dtype: torch.dtype, generator: torch.Generator
) -> torch.Tensor:
    return DEVIATION * torch.randn(shape, device=device, dtype=dtype, generator=generator)


def prompt_tokenizer() -> Any:
    """A tokenizer whose tokens are the words, numbers and signs of our own prompts.

    It cuts a text about as often as a Llama's does: words and signs are tokens of their own, and a path has a token for
    each digit and each dash.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    cut = pre_tokenizers.BertPreTokenizer()
    texts = [str(text) for name in PROMPTS for text in asdict(Prompt.read(name)).values()]
    used = {word for text in texts for word, _ in cut.pre_tokenize_str(text)}
    words = ["[UNK]", *sorted(used | {"-", "\n", *map(str, range(100))})]
    tokenizer = Tokenizer(models.WordLevel({word: row for row, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = cut
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]")
