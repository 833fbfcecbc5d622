"""The table of docs/llm.md, models by memory, is what the estimate says."""

import re
from pathlib import Path

from recbole_dtlns.llm.model_sizes import CARDS_GB, RESERVED_GB, fitting_models

PAGE = Path(__file__).resolve().parents[2] / "docs" / "llm.md"


def largest(memory_gb: int, quantization: str) -> str:
    fits = [fit for fit in fitting_models(memory_gb - RESERVED_GB) if fit.quantization == quantization]
    return f"{fits[0].name.partition('/')[2]}, {fits[0].memory_gb:.1f} GB"


def test_the_page_names_the_largest_model_for_each_card():
    rows = re.findall(r"^\| (\d+) GB \| (.+?) \| (.+?) \|$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert [int(row[0]) for row in rows] == list(CARDS_GB)
    for memory, four_bits, sixteen_bits in rows:
        assert four_bits == largest(int(memory), "nf4")
        assert sixteen_bits == largest(int(memory), "none")
