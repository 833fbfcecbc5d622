"""Loading: what comes back, the faults of bitsandbytes that are kept away, and what is refused."""

import json
import logging
import shutil

import pytest

pytest.importorskip("transformers")
pytest.importorskip("accelerate")
pytest.importorskip("bitsandbytes")

import torch

from recbole_dtlns.errors import UserError
from recbole_dtlns.llm import devices, packages
from recbole_dtlns.llm.cpu_quirks import four_bit_layers
from recbole_dtlns.llm.identity import folder_identity
from recbole_dtlns.llm.loading import LoadSettings, load_model

IDS = torch.arange(3, 43)[None]


def load(folder, tmp_path, **keys):
    return load_model(LoadSettings(str(folder), **{"device_map": "cpu", **keys}), tmp_path)


def logits(loaded):
    with torch.inference_mode():
        return loaded.model(IDS).logits.float()


@pytest.fixture
def copy(tiny_llama, tmp_path):
    """A copy of the tiny model that a test may spoil."""
    return shutil.copytree(tiny_llama, tmp_path / "copy")


def change_config(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_what_comes_back(tiny_llama, tmp_path):
    loaded = load(tiny_llama, tmp_path)
    assert loaded.device == torch.device("cpu")
    assert not loaded.model.training
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())
    assert {parameter.dtype for parameter in loaded.model.parameters()} == {torch.bfloat16}
    assert loaded.tokenizer("positive w0")["input_ids"] == loaded.tokenizer.convert_tokens_to_ids(["positive", "w0"])
    assert loaded.about == {
        "model": "tiny-llama",
        "revision": folder_identity(tiny_llama),
        "quantization": "none",
        "double_quantization": None,
        "compute_dtype": "bfloat16",
    }
    json.dumps(loaded.about)


def test_compute_type(tiny_llama, tmp_path):
    loaded = load(tiny_llama, tmp_path, compute_dtype="float32")
    assert loaded.about["compute_dtype"] == "float32"
    assert logits(loaded).dtype == torch.float32
    assert {parameter.dtype for parameter in loaded.model.parameters()} == {torch.float32}


@pytest.mark.parametrize(("quantization", "tolerance"), [("int8", 0.03), ("nf4", 0.2)])
def test_quantised_models_answer_nearly_alike(tiny_llama, tmp_path, quantization, tolerance):
    plain = logits(load(tiny_llama, tmp_path, compute_dtype="float32"))
    loaded = load(tiny_llama, tmp_path, quantization=quantization)
    error = (logits(loaded) - plain).norm() / plain.norm()
    assert 0 < error < tolerance
    assert loaded.about["quantization"] == quantization
    assert loaded.about["double_quantization"] is (True if quantization == "nf4" else None)
    assert loaded.memory_mb < load(tiny_llama, tmp_path).memory_mb


def test_double_quantisation_can_be_left_out(tiny_llama, tmp_path):
    single = load(tiny_llama, tmp_path, quantization="nf4", double_quantization=False)
    assert single.about["double_quantization"] is False
    assert all(layer.weight.quant_state.state2 is None for layer in four_bit_layers(single.model))
    assert len(four_bit_layers(single.model)) == 2 * 7


@pytest.mark.parametrize("name", ["save_pretrained", "state_dict", "to"])
def test_a_4_bit_model_on_a_cpu_cannot_be_saved_or_moved(tiny_llama, tmp_path, name):
    loaded = load(tiny_llama, tmp_path, quantization="nf4")
    before = logits(loaded)
    with pytest.raises(UserError, match="spoils its weights"):
        getattr(loaded.model, name)(tmp_path / "saved")
    assert not (tmp_path / "saved").exists()
    assert torch.equal(logits(loaded), before)


@pytest.mark.parametrize("quantization", ["none", "int8"])
def test_other_models_can_be_saved(tiny_llama, tmp_path, quantization):
    load(tiny_llama, tmp_path, quantization=quantization).model.save_pretrained(tmp_path / "saved")
    assert (tmp_path / "saved" / "model.safetensors").is_file()


def test_odd_sizes_take_the_general_path_and_others_do_not(tiny_llama, odd_llama, tmp_path, caplog):
    caplog.set_level(logging.INFO, "recbole_dtlns")
    odd = load(odd_llama, tmp_path, quantization="nf4")
    assert not any(layer.support_avx512bf16_for_cpu for layer in four_bit_layers(odd.model))
    assert "the general path is used" in caplog.text
    plain = logits(load(odd_llama, tmp_path, compute_dtype="float32"))
    assert (logits(odd) - plain).norm() / plain.norm() < 0.2
    caplog.clear()
    regular = load(tiny_llama, tmp_path, quantization="nf4")
    from bitsandbytes.nn import Linear4bit

    expected = Linear4bit(64, 64).support_avx512bf16_for_cpu
    assert {layer.support_avx512bf16_for_cpu for layer in four_bit_layers(regular.model)} == {expected}
    assert "general path" not in caplog.text


def test_loading_is_quiet_and_leaves_logging_as_it_was(tiny_llama, tmp_path, capfd, caplog):
    from transformers.utils import logging as hf_logging

    before = hf_logging.get_verbosity(), hf_logging.is_progress_bar_enabled(), logging.getLogger("bitsandbytes").level
    with caplog.at_level(logging.WARNING):
        for quantization in ("none", "int8", "nf4"):
            logits(load(tiny_llama, tmp_path, quantization=quantization))
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""
    assert caplog.text == ""
    after = hf_logging.get_verbosity(), hf_logging.is_progress_bar_enabled(), logging.getLogger("bitsandbytes").level
    assert after == before


def test_an_int8_model_does_not_log_at_every_forward(tiny_llama, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):  # an earlier test's run may have set another
        logits(load(tiny_llama, tmp_path, quantization="int8"))
        logging.getLogger("bitsandbytes.autograd._functions").warning("something else")
    assert [record.getMessage() for record in caplog.records] == ["something else"]


def test_the_identity_of_a_folder_follows_its_content(copy, tiny_llama, tmp_path):
    first = folder_identity(copy)
    assert first == folder_identity(tiny_llama)
    (copy / "README.md").write_text("no part of the model")
    assert folder_identity(copy) == first
    (copy / "chat_template.jinja").write_text("{{ messages }}")
    second = folder_identity(copy)
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    assert len({first, second, folder_identity(copy)}) == 3


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"quantization": "int4"}, "expected one of nf4, int8, none"),
        ({"compute_dtype": "half"}, "expected one of bfloat16, float16, float32"),
        ({"device_map": "balanced"}, "expected cpu, cuda, cuda:N or auto"),
        ({"device_map": "cuda:99"}, r"this machine shows \d+ GPUs"),
        ({"revision": "main"}, "only models on the hub have revisions"),
    ],
)
def test_bad_settings_are_refused(tiny_llama, tmp_path, keys, message):
    with pytest.raises(UserError, match=message):
        load(tiny_llama, tmp_path, **keys)


@pytest.mark.parametrize(
    "name", ["missing/model.gguf", "./missing", "/missing/folder", "a/b/c", "~/missing", "~no-such-user/missing"]
)
def test_a_path_that_does_not_exist(tmp_path, name):
    with pytest.raises(UserError, match="no such file or folder"):
        load(name, tmp_path)


def test_a_hub_name_without_a_network(tmp_path):
    with pytest.raises(UserError, match="no-such-owner/no-such-model") as refused:
        load("no-such-owner/no-such-model", tmp_path, offline=True)
    assert "Only files on this machine are used" in str(refused.value)
    assert "hf download" in str(refused.value)


def test_a_folder_without_config(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no config\.json"):
        load(tmp_path / "empty", tmp_path)
    (tmp_path / "empty" / "model.gguf").write_bytes(b"GGUF")
    with pytest.raises(UserError, match=r"Give the GGUF file itself: .*model\.gguf"):
        load(tmp_path / "empty", tmp_path)


@pytest.mark.parametrize(
    "values",
    [
        {"model_type": "bert", "architectures": ["BertForMaskedLM"]},
        {"model_type": "t5", "architectures": ["T5ForConditionalGeneration"], "is_encoder_decoder": True},
        {"architectures": ["LlamaForSequenceClassification"]},
    ],
)
def test_models_of_other_kinds_are_refused(copy, tmp_path, values):
    change_config(copy, **values)
    with pytest.raises(UserError, match=f"{values['architectures'][0]}, not a causal language model"):
        load(copy, tmp_path)


def test_an_unknown_kind_of_model(copy, tmp_path):
    change_config(copy, model_type="llama-from-the-future")
    with pytest.raises(UserError, match="llama-from-the-future") as refused:
        load(copy, tmp_path)
    assert "this version of transformers" in str(refused.value)


def test_a_model_with_its_own_code_is_refused(copy, tmp_path):
    change_config(copy, model_type="own", auto_map={"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"})
    (copy / "own.py").write_text("raise SystemExit('this code must not run')")
    with pytest.raises(UserError, match="own program code"):
        load(copy, tmp_path)


def test_a_quantised_checkpoint_is_not_quantised_again(copy, tmp_path):
    change_config(copy, quantization_config={"quant_method": "gptq", "bits": 4})
    with pytest.raises(UserError, match=r"already quantised \(gptq\).*llm_quantization=nf4"):
        load(copy, tmp_path, quantization="nf4")


def test_a_quantised_checkpoint_is_loaded_as_it_is(tiny_llama, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

    four_bits = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")
    model = AutoModelForCausalLM.from_pretrained(tiny_llama, quantization_config=four_bits, device_map="cpu")
    model.save_pretrained(tmp_path / "stored")
    AutoTokenizer.from_pretrained(tiny_llama).save_pretrained(tmp_path / "stored")
    loaded = load(tmp_path / "stored", tmp_path)
    assert loaded.about["quantization"] == "stored:bitsandbytes"
    assert len(four_bit_layers(loaded.model)) == 2 * 7
    assert torch.allclose(logits(loaded), logits(load(tiny_llama, tmp_path, quantization="nf4")), atol=0.05)
    with pytest.raises(UserError, match="spoils its weights"):
        loaded.model.save_pretrained(tmp_path / "again")


def test_a_folder_without_weights(copy, tmp_path):
    (copy / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"model\.safetensors"):
        load(copy, tmp_path)


def test_weights_cut_off_in_a_download(copy, tmp_path):
    weights = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(UserError, match="Check that the folder holds a whole model"):
        load(copy, tmp_path)


def test_missing_weights_are_not_replaced_by_random_numbers(copy, tmp_path):
    from safetensors.torch import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"1 weights are missing .*layers\.1\.mlp\.up_proj"):
        load(copy, tmp_path)


def test_a_folder_without_a_fast_tokenizer(copy, tmp_path):
    (copy / "tokenizer.json").unlink()
    with pytest.raises(UserError, match="tokenizer"):
        load(copy, tmp_path)


def test_missing_packages_are_named():
    with pytest.raises(UserError, match=r"needs no_such_package, not installed here.*recbole-dtlns\[llm\]"):
        packages.need_packages("torch", "no_such_package")


def test_devices_and_types_of_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 6) if device.index else (7, 5))
    assert [str(devices.device_of(name)) for name in (None, "cpu", "cuda", "cuda:1")] == [
        "cuda:0",
        "cpu",
        "cuda:0",
        "cuda:1",
    ]
    assert devices.target_of(None, None).dtype == torch.float16
    assert devices.target_of("cuda:1", None).dtype == torch.bfloat16
    assert devices.target_of(None, "float32").dtype == torch.float32
    assert devices.target_of("auto", None).spread
    assert not devices.target_of("cuda", None).spread
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10 if str(device) == "cuda:1" else 7, 99))
    assert devices.free_bytes(devices.target_of("cuda:1", None)) == 10
    assert devices.free_bytes(devices.target_of("auto", None)) == 14
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert not devices.target_of("auto", None).spread


def test_quantisation_follows_the_device(tiny_llama, tmp_path):
    from recbole_dtlns.llm.checkpoint import open_checkpoint
    from recbole_dtlns.llm.loading import _quantization

    checkpoint = open_checkpoint(str(tiny_llama), None, False, tmp_path)
    gpu = devices.Target(torch.device("cuda:0"), False, "bfloat16", torch.bfloat16)
    cpu = devices.Target(torch.device("cpu"), False, "bfloat16", torch.bfloat16)
    unset, plain = LoadSettings("x"), LoadSettings("x", quantization="none")
    assert _quantization(unset, checkpoint, gpu) == "nf4"
    assert _quantization(unset, checkpoint, cpu) == "none"
    assert _quantization(plain, checkpoint, gpu) == "none"


def test_a_model_that_spilled_out_of_the_gpus_is_refused():
    from types import SimpleNamespace

    from recbole_dtlns.llm.loading import _check_loaded

    whole = {"missing_keys": [], "mismatched_keys": []}
    _check_loaded("x", SimpleNamespace(hf_device_map={"": 0}), whole)
    _check_loaded("x", SimpleNamespace(hf_device_map={"": "cpu"}), whole)
    for places in ({"a": 0, "b": "cpu"}, {"a": 0, "b": "disk"}):
        with pytest.raises(UserError, match="outside the GPUs"):
            _check_loaded("x", SimpleNamespace(hf_device_map=places), whole)
