"""GGUF files: what is refused, and the real SmolLM2 through conversion, nf4 and int8."""

import logging
import shutil

import pytest

pytest.importorskip("transformers")
pytest.importorskip("accelerate")
pytest.importorskip("gguf")

import torch

from recbole_dtlns.errors import UserError
from recbole_dtlns.llm import gguf
from recbole_dtlns.llm.gguf import convert_gguf
from recbole_dtlns.llm.loading import LoadSettings, load_model
from recbole_dtlns.llm.memory import shape_of, weight_bytes

SMOLLM2 = "sha256:b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "model.gguf").write_bytes(b"PK\x03\x04 not a model")
    with pytest.raises(UserError, match=r"expected a GGUF file.*starts with b'PK"):
        load_model(LoadSettings(str(tmp_path / "model.gguf")), tmp_path)


def test_a_part_of_a_split_file_is_refused(tmp_path):
    (tmp_path / "model-00001-of-00003.gguf").write_bytes(b"GGUF and more")
    with pytest.raises(UserError, match="one part of a split GGUF"):
        convert_gguf(tmp_path / "model-00001-of-00003.gguf", tmp_path)


def test_a_damaged_file_is_refused_and_leaves_nothing(tmp_path):
    (tmp_path / "model.gguf").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(UserError, match="cannot be converted"):
        convert_gguf(tmp_path / "model.gguf", tmp_path / "cache")
    assert list((tmp_path / "cache" / "llm").iterdir()) == []


@pytest.fixture
def converted(tiny_llama, monkeypatch):
    """Conversion replaced by a copy of the tiny model; the list counts how often it ran."""
    runs = []

    def copy(path, folder):
        runs.append(folder)
        shutil.copytree(tiny_llama, folder, dirs_exist_ok=True)

    monkeypatch.setattr(gguf, "_write_converted", copy)
    return runs


def test_a_file_is_converted_once(tmp_path, converted, caplog):
    caplog.set_level(logging.INFO, "recbole_dtlns")
    path = tmp_path / "My model (v1).gguf"
    path.write_bytes(b"GGUF one")
    folder, identity = convert_gguf(path, tmp_path / "cache")
    assert folder == tmp_path / "cache" / "llm" / f"My_model_v1_-{identity.removeprefix('sha256:')[:16]}"
    assert "is converted" in caplog.text
    loaded = load_model(LoadSettings(str(path), device_map="cpu"), tmp_path / "cache")
    assert loaded.about["model"] == "My model (v1).gguf"
    assert loaded.about["revision"] == identity
    assert len(converted) == 1
    path.write_bytes(b"GGUF two")
    assert convert_gguf(path, tmp_path / "cache")[0] != folder
    assert len(converted) == 2


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "checksums.json"])
def test_a_flipped_bit_in_a_converted_model_is_noticed(tmp_path, converted, caplog, name):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF one")
    folder, _ = convert_gguf(path, tmp_path)
    convert_gguf(path, tmp_path)
    assert len(converted) == 1
    right = (folder / "model.safetensors").read_bytes()
    whole = bytearray((folder / name).read_bytes())
    whole[len(whole) // 2] ^= 1
    (folder / name).write_bytes(whole)
    assert convert_gguf(path, tmp_path)[0] == folder
    assert len(converted) == 2
    assert "cannot be trusted" in caplog.text
    assert (folder / "model.safetensors").read_bytes() == right
    assert list((tmp_path / "llm").iterdir()) == [folder]


def test_a_conversion_that_dies_half_way_is_never_used(tmp_path, monkeypatch):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")

    def die(_, folder):
        (folder / "config.json").write_text("{}")
        raise KeyboardInterrupt

    monkeypatch.setattr(gguf, "_write_converted", die)
    with pytest.raises(KeyboardInterrupt):
        convert_gguf(path, tmp_path)
    assert list((tmp_path / "llm").iterdir()) == []


def test_of_two_conversions_at_a_time_the_first_counts(tmp_path, monkeypatch):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")
    final = tmp_path / "llm" / f"model-{gguf.file_identity(path).removeprefix('sha256:')[:16]}"

    def overtaken(_, folder):
        (folder / "file").write_text("second")
        final.mkdir()
        (final / "file").write_text("first")

    monkeypatch.setattr(gguf, "_write_converted", overtaken)
    assert convert_gguf(path, tmp_path)[0] == final
    assert (final / "file").read_text() == "first"
    assert list((tmp_path / "llm").iterdir()) == [final]


@pytest.mark.parametrize(("disk", "memory", "message"), [(10, 10**9, "on the disk"), (10**9, 10, "of main memory")])
def test_too_little_room_is_said_before_converting(tmp_path, monkeypatch, disk, memory, message):
    from types import SimpleNamespace

    import psutil

    monkeypatch.setattr(gguf.shutil, "disk_usage", lambda folder: SimpleNamespace(free=disk))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=memory))
    with pytest.raises(UserError, match=message):
        gguf._check_room(1000, tmp_path)
    gguf._check_room(5, tmp_path)


PROMPT = [{"role": "user", "content": "What is the capital of France? Answer in one word."}]


def next_logits(loaded):
    """Logits of the next token after the prompt, float32 [V]."""
    ids = loaded.tokenizer.apply_chat_template(
        PROMPT, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    with torch.inference_mode():
        return loaded.model(ids["input_ids"]).logits[0, -1].float()


@pytest.fixture(scope="module")
def smollm2(smollm2_gguf, smollm2_cache):
    """Load SmolLM2 in a quantisation; the conversion has been made already."""

    def load(quantization):
        settings = LoadSettings(str(smollm2_gguf), quantization=quantization, device_map="cpu")
        return load_model(settings, smollm2_cache)

    return load


@pytest.mark.real_llm
def test_smollm2_is_converted_under_its_hash(smollm2_gguf, smollm2_cache):
    (folder,) = (smollm2_cache / "llm").iterdir()
    assert folder.name == f"SmolLM2-135M-Instruct.Q4_1-{SMOLLM2.removeprefix('sha256:')[:16]}"
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {path.name for path in folder.iterdir()}


@pytest.mark.real_llm
def test_smollm2_knows_paris_in_16_bits_and_answers_much_alike_in_fewer(smollm2):
    plain = smollm2("none")
    assert plain.about["revision"] == SMOLLM2
    first = next_logits(plain)
    text = plain.tokenizer.decode(plain.model.generate(**_prompt(plain), max_new_tokens=8, do_sample=False)[0])
    assert "Paris" in text
    for quantization, share in (("int8", 0.99), ("nf4", 0.9)):
        loaded = smollm2(quantization)
        similarity = torch.nn.functional.cosine_similarity(first, next_logits(loaded), dim=0)
        assert share < similarity < 1.0
        expected = weight_bytes(shape_of(loaded.model.config), quantization)
        assert loaded.memory_mb * 2**20 == pytest.approx(expected, rel=0.1)
        assert loaded.memory_mb < 0.7 * plain.memory_mb


def _prompt(loaded):
    return loaded.tokenizer.apply_chat_template(
        PROMPT, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
