"""Token ids of prompts: chat templates, labels, and what two answers share."""

import pytest

pytest.importorskip("transformers")
pytest.importorskip("tokenizers")

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from recbole_dtlns.errors import UserError
from recbole_dtlns.llm.encoding import PromptEncoder, common_prefix_length
from recbole_dtlns.llm.prompts import Prompt

HISTORY = [("0-1", "2"), ("0-3", "1-1")]
CANDIDATES = [("0-2", "3"), ("1-0", "0-0")]
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
NO_SYSTEM = (
    "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "<user>{{ m['content'] | trim }}</user>{% endfor %}"
)
DATED = "{{ date_string if date_string is defined else strftime_now('%d %b %Y') }}" + CHATML


def byte_tokenizer(template=None, extra=(), eos_after=False):
    """A tokenizer of bytes; `extra` are whole words with a leading blank."""
    vocabulary = {symbol: number for number, symbol in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    for word in extra:
        vocabulary["Ġ" + word] = len(vocabulary)
    vocabulary["<eos>"] = len(vocabulary)
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="<eos>", continuing_subword_prefix=""))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    if eos_after:
        end = ("<eos>", vocabulary["<eos>"])
        tokenizer.post_processor = processors.TemplateProcessing(single="$A <eos>", special_tokens=[end])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>", chat_template=template)


def text_of(tokenizer, ids):
    return tokenizer.decode(ids, clean_up_tokenization_spaces=False)


def test_a_chat_template_surrounds_the_question_and_the_answer_is_begun():
    tokenizer = byte_tokenizer(CHATML, ["positive", "negative"])
    prompt = Prompt.read("compact")
    encoder = PromptEncoder(tokenizer, prompt)
    (first, second) = (text_of(tokenizer, ids) for ids in encoder.encode(HISTORY, CANDIDATES))
    assert first == (
        f"<|im_start|>system\n{prompt.system.strip()}<|im_end|>\n<|im_start|>user\nHistory:\n0-1 2\n0-3 1-1\n"
        "Candidate:\n0-2 3<|im_end|>\n<|im_start|>assistant\nLabel:"
    )
    assert second == first.replace("0-2 3<", "1-0 0-0<")
    assert [text_of(tokenizer, [label]) for label in encoder.labels] == [" positive", " negative"]


def test_a_template_without_system_messages_gets_the_task_in_the_question():
    tokenizer = byte_tokenizer(NO_SYSTEM, ["positive", "negative"])
    encoder = PromptEncoder(tokenizer, Prompt.read("compact"))
    text = text_of(tokenizer, encoder.encode(HISTORY, CANDIDATES)[0])
    assert text.startswith("<user>You judge whether")
    assert text.endswith("0-2 3</user>Label:")


def test_a_model_without_a_template_reads_plain_text_and_no_end_of_text():
    tokenizer = byte_tokenizer(None, ["positive", "negative"], eos_after=True)
    encoder = PromptEncoder(tokenizer, Prompt.read("compact"))
    ids = encoder.encode(HISTORY, CANDIDATES)[0]
    assert tokenizer.eos_token_id not in ids
    assert text_of(tokenizer, ids).endswith("0-2 3\nLabel:")


def test_the_date_is_not_part_of_a_prompt():
    tokenizer = byte_tokenizer(DATED, ["positive", "negative"])
    encoder = PromptEncoder(tokenizer, Prompt.read("compact"))
    assert text_of(tokenizer, encoder.encode(HISTORY, CANDIDATES)[0]).startswith("26 Jul 2024")


def test_what_both_labels_begin_with_is_asked_along():
    """Without whole words the labels are bytes: the blank is shared, `p` and `n` are compared."""
    tokenizer = byte_tokenizer(CHATML)
    encoder = PromptEncoder(tokenizer, Prompt.read("compact"))
    assert [text_of(tokenizer, [label]) for label in encoder.labels] == ["p", "n"]
    assert text_of(tokenizer, encoder.encode(HISTORY, CANDIDATES)[0]).endswith("Label: ")


def test_free_generation_gets_no_beginning_of_an_answer():
    tokenizer = byte_tokenizer(CHATML, ["positive", "negative"])
    encoder = PromptEncoder(tokenizer, Prompt.read("reference"))
    text = text_of(tokenizer, encoder.questions(HISTORY, CANDIDATES)[0])
    assert text.endswith("<|im_start|>assistant\n")
    assert text_of(tokenizer, encoder.encode(HISTORY, CANDIDATES)[0]) == text + '[{"item_id": 0, "label": "'


def test_a_template_that_drops_the_question_is_refused():
    with pytest.raises(UserError, match="takes neither a system message"):
        PromptEncoder(byte_tokenizer("hello"), Prompt.read("compact"))


def test_labels_that_one_token_cannot_tell_apart_are_refused():
    tokenizer = byte_tokenizer(CHATML)
    prompt = Prompt("same", 1, "s", "$co $se", "\n", "$co $se", "$history $candidate", "A:", " yes", " yess")
    with pytest.raises(UserError, match="cannot tell ' yes' from ' yess'"):
        PromptEncoder(tokenizer, prompt)


def test_common_prefix_length():
    assert common_prefix_length([[1, 2, 3], [1, 2, 4], [1, 2]]) == 2
    assert common_prefix_length([[1, 2]]) == 2
    assert common_prefix_length([[1], [2]]) == 0
