"""Model configurations as the field writes them, config.json, read into an Architecture."""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from jaxscale.decide.architecture import Architecture, Latent
from jaxscale.errors import ConfigError

# Names of one thing in different files.
NAMES = {
    "layers": ("num_hidden_layers", "n_layer", "num_layers", "n_layers"),
    "width": ("hidden_size", "n_embd", "d_model"),
    "heads": ("num_attention_heads", "n_head", "n_heads"),
    "vocab": ("vocab_size",),
    "kv_heads": ("num_key_value_heads", "n_kv_heads"),
    "head_dim": ("head_dim",),
    "ffn": ("intermediate_size", "n_inner", "ffn_hidden_size"),
    "context": ("max_position_embeddings", "n_positions", "n_ctx"),
    "experts": ("num_local_experts", "n_routed_experts", "num_experts"),
    "active_experts": ("num_experts_per_tok",),
    "expert_ffn": ("moe_intermediate_size",),
}
NEEDED = ("layers", "width", "heads", "vocab", "ffn")

# What a model's type says and its file does not: differences from Architecture's defaults.
_BIASED = {"gated": False, "norm_bias": True, "qkv_bias": True, "out_bias": True, "ffn_bias": True}
TYPES: Mapping[str, Mapping[str, Any]] = {
    "llama": {}, "mistral": {}, "mixtral": {}, "phi3": {},
    "qwen2": {"qkv_bias": True}, "qwen2_moe": {"qkv_bias": True, "shared_gate": True},
    "qwen3": {"qk_norm": "head"}, "qwen3_moe": {"qk_norm": "head"},
    "gemma": {"tied": True}, "gemma2": {"tied": True, "norms": 4},
    "olmo": {"norms": 0, "final_norm": False}, "olmo2": {"qk_norm": "width"},
    "gpt2": {"tied": True, **_BIASED}, "gpt_neox": _BIASED,
    "deepseek": {}, "deepseek_v2": {}, "deepseek_v3": {"expert_bias": True},
}  # fmt: skip


def architecture(config: Mapping[str, Any] | str | PathLike[str]) -> Architecture:
    """An Architecture from a config.json, its folder, or what it holds; errors as `Architecture.from_config` says."""
    source, read = _opened(config)
    keys: Mapping[str, Any] = read.get("text_config") or read
    kind = keys.get("model_type")
    if not isinstance(kind, str) or kind not in TYPES:
        said = "has no model_type" if kind is None else f"is of model_type {kind!r}"
        raise ConfigError(
            f"{source} {said}; known are {', '.join(TYPES)}. Fix: give jaxscale.Architecture(layers=..., ...) itself"
        )
    found = {name: value for name in NAMES if (value := _first(keys, NAMES[name])) is not None}
    if kind == "gpt2" and "ffn" not in found and "width" in found:
        found["ffn"] = 4 * found["width"]
    if missing := [name for name in NEEDED if name not in found]:
        names = "; ".join(f"{name} ({' or '.join(NAMES[name])})" for name in missing)
        raise ConfigError(f"{source} lacks {names}")
    shape: dict[str, Any] = {**TYPES[kind], **found}
    shape["tied"] = bool(keys.get("tie_word_embeddings", TYPES[kind].get("tied", False)))
    if kind == "gpt2":
        shape["positions"] = found.get("context", 1024)
    if "attention_bias" in keys and kind != "gpt2":
        shape["qkv_bias"] = shape["out_bias"] = bool(keys["attention_bias"])
    if "mlp_bias" in keys:
        shape["ffn_bias"] = bool(keys["mlp_bias"])
    shape |= _latent(source, keys) if keys.get("kv_lora_rank") else {}
    shape |= _experts(source, keys, shape)
    shape |= _window(keys, shape["layers"])
    return Architecture(**shape)


def _opened(config: Mapping[str, Any] | str | PathLike[str]) -> tuple[str, Mapping[str, Any]]:
    if isinstance(config, Mapping):
        return "the configuration", config
    path = Path(config)
    path = path / "config.json" if path.is_dir() else path
    try:
        found = json.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}; expected a model's config.json") from None
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise ConfigError(f"{path} holds a {type(found).__name__}; expected an object of names and values")
    return str(path), found


def _first(config: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((config[n] for n in names if config.get(n) is not None), None)


def _latent(source: str, config: Mapping[str, Any]) -> dict[str, Any]:
    names = {"kv_rank": "kv_lora_rank", "nope": "qk_nope_head_dim", "rope": "qk_rope_head_dim", "value": "v_head_dim"}
    if missing := [n for n in names.values() if config.get(n) is None]:
        raise ConfigError(f"{source} has kv_lora_rank and lacks {', '.join(missing)}")
    part = Latent(**{k: config[n] for k, n in names.items()}, q_rank=config.get("q_lora_rank") or 0)
    # kv_heads and head_dim say nothing here
    return {"latent": part, "kv_heads": None, "head_dim": part.nope + part.rope}


def _experts(source: str, config: Mapping[str, Any], shape: Mapping[str, Any]) -> dict[str, Any]:
    if not shape.get("experts"):
        return dict.fromkeys(("experts", "active_experts", "expert_ffn"), 0) | {"shared_gate": False}
    if "active_experts" not in shape:
        raise ConfigError(f"{source} has experts and lacks active_experts ({NAMES['active_experts'][0]})")
    width = shape.get("expert_ffn") or shape["ffn"]
    shared = config.get("shared_expert_intermediate_size") or (config.get("n_shared_experts") or 0) * width
    step = config.get("decoder_sparse_step") or config.get("moe_layer_freq") or 1
    bare = set(config.get("mlp_only_layers") or ())
    first = config.get("first_k_dense_replace") or 0
    # the two families count from different ends: after every step-th layer, or from layer 0 on
    turn = 1 if "decoder_sparse_step" in config else 0
    dense = sum(i in bare or i < first or (i + turn) % step != 0 for i in range(shape["layers"]))
    return {"expert_ffn": width, "shared_ffn": shared, "dense_layers": dense}


def _window(config: Mapping[str, Any], layers: int) -> dict[str, Any]:
    """Sliding attention, where the file says that it is in use."""
    size = config.get("sliding_window")
    if not size or config.get("use_sliding_window") is False:
        return {}
    kinds = config.get("layer_types")
    if kinds is not None:
        count = sum(kind == "sliding_attention" for kind in kinds)
    elif config.get("model_type") == "gemma2":
        count = (layers + 1) // 2  # every other layer, from the first
    elif config.get("use_sliding_window"):
        count = max(layers - config.get("max_window_layers", layers), 0)
    else:
        count = layers
    return {"window": size, "windowed_layers": count} if count else {}
