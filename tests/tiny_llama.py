"""A tiny language model made on the spot."""

from pathlib import Path

import pytest


def save_tiny_llama(folder: Path, **sizes) -> Path:
    """A random Llama with a word-level tokenizer; every size is a multiple of 64 unless told otherwise."""
    transformers = pytest.importorskip("transformers")
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers

    meaningful = ["[UNK]", "positive", "negative", "-", *map(str, range(10))]  # numbers, or all paths would look alike
    words = [*meaningful, *(f"w{number}" for number in range(512 - len(meaningful)))]
    tokenizer = Tokenizer(models.WordLevel({word: row for row, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]").save_pretrained(folder)
    shape = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = transformers.LlamaConfig(**{**shape, "num_key_value_heads": 2, "vocab_size": len(words), **sizes})
    torch.manual_seed(0)
    transformers.LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    return folder
