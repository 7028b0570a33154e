"""A transformer's shape, the ways to count its parameters, and what a token costs it, to the matrix product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from os import PathLike
from typing import Any

from jaxscale.errors import ConfigError

CONVENTIONS: Mapping[str, str] = {
    "total": "all parameters, embeddings and every expert included",
    "non_embedding": "without token embeddings, output head and learned positions",
    "with_head": "without token embeddings and learned positions, with the output head, tied or not",
    "active": "that a token passes through: of the routed experts, only those it is sent to",
    "effective": "training FLOP per token / 6, attention over the context included",
}
QK_NORMS = ("", "head", "width")
MAY_BE_ZERO = {"experts", "active_experts", "expert_ffn", "shared_ffn", "dense_layers", "positions", "norms", "window",
               "windowed_layers", "q_rank"}  # fmt: skip


class _Checked:
    """Sizes are whole numbers above zero, or zero where the part may be absent."""

    def __post_init__(self) -> None:
        for field in fields(self):  # pyright: ignore[reportArgumentType]
            value = getattr(self, field.name)
            if not str(field.type).startswith("int"):
                continue
            least = 0 if field.name in MAY_BE_ZERO else 1
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigError(
                    f"{type(self).__name__}: {field.name} is {value!r}; expected a whole number of at least {least}"
                )


@dataclass(frozen=True, kw_only=True)
class Latent(_Checked):
    """Multi-head latent attention: keys and values from one narrow vector a token.

    Attributes:
        kv_rank: of the vector that the cache keeps.
        nope: dimensions of a head's query and key without positions.
        rope: dimensions with rotary positions, one key of them shared by the heads.
        value: dimensions of a head's value.
        q_rank: of the queries' bottleneck; 0 for none.

    Source: DeepSeek-AI 2024, DeepSeek-V2, arXiv 2405.04434.
    """

    kv_rank: int
    nope: int
    rope: int
    value: int
    q_rank: int = 0


@dataclass(frozen=True, kw_only=True)
class Architecture(_Checked):
    """A decoder-only transformer's shape.

    Attributes:
        layers, width, heads, ffn, vocab: of the model; ffn is the inner width of a dense feed-forward layer.
        kv_heads: heads of keys and values; `heads` unless given.
        head_dim: of each head; width / heads unless given.
        context: tokens of a sequence.
        gated: three matrices in a feed-forward layer and not two.
        tied: the output head is the token embedding.
        experts, active_experts, expert_ffn: routed experts of a layer, those a token is sent to, and their width.
        shared_ffn: width of the shared experts of a layer, all together.
        shared_gate: the shared experts have a gate, one vector of `width`.
        expert_bias: each routed expert has a bias of its own in the choice.
        dense_layers: layers without experts, of a model that has experts.
        positions: learned position embeddings; 0 for none.
        relative: a projection of relative positions in each layer, as in Transformer-XL (Gopher, Chinchilla).
        window, windowed_layers: tokens that sliding attention sees, 0 for all, and the layers that have it.
        norms: normalisations of a layer that have weights; final_norm: one after the last.
        qk_norm: of queries and keys: "", "head" (weights shared by heads) or "width".
        qkv_bias, out_bias, ffn_bias, norm_bias: which parts have biases.
        latent: shape of latent attention, in place of kv_heads and head_dim.

    Raises:
        ConfigError: a size is not a whole number in its range, or parts do not fit together.
    """

    layers: int
    width: int
    heads: int
    ffn: int
    vocab: int
    kv_heads: int = None  # type: ignore[assignment]  # filled in below
    head_dim: int = None  # type: ignore[assignment]
    context: int = 2048
    gated: bool = True
    tied: bool = False
    experts: int = 0
    active_experts: int = 0
    expert_ffn: int = 0
    shared_ffn: int = 0
    shared_gate: bool = False
    expert_bias: bool = False
    dense_layers: int = 0
    positions: int = 0
    relative: bool = False
    window: int = 0
    windowed_layers: int = 0
    norms: int = 2
    final_norm: bool = True
    qk_norm: str = ""
    qkv_bias: bool = False
    out_bias: bool = False
    ffn_bias: bool = False
    norm_bias: bool = False
    latent: Latent | None = None

    def __post_init__(self) -> None:
        if self.kv_heads is None:
            object.__setattr__(self, "kv_heads", self.heads)
        if self.head_dim is None:
            if isinstance(self.width, int) and isinstance(self.heads, int) and self.heads and self.width % self.heads:
                raise ConfigError(
                    f"Architecture: width {self.width} is no multiple of heads {self.heads}; give head_dim"
                )
            object.__setattr__(self, "head_dim", self.width // max(self.heads, 1))
        super().__post_init__()
        if self.experts and not (0 < self.active_experts <= self.experts and self.expert_ffn):
            raise ConfigError(
                f"Architecture: of {self.experts} experts {self.active_experts} are active, of width "
                f"{self.expert_ffn}; expected 1 to {self.experts} of a width above 0"
            )
        if self.heads % self.kv_heads:
            raise ConfigError(f"Architecture: heads {self.heads} is no multiple of kv_heads {self.kv_heads}")
        if max(self.dense_layers, self.windowed_layers) > self.layers:
            raise ConfigError(f"Architecture: more dense or windowed layers than the {self.layers} that there are")
        if self.qk_norm not in QK_NORMS:
            raise ConfigError(f"Architecture: qk_norm is {self.qk_norm!r}; expected one of {QK_NORMS}")

    @classmethod
    def from_config(cls, config: Mapping[str, Any] | str | PathLike[str]) -> Architecture:
        """From a model's config.json, or what it holds.

        Raises:
            ConfigError: a key is missing or the model's type is unknown; the text names it.
        """
        from jaxscale.decide.model_config import architecture

        return architecture(config)

    # ---- parameters ----------------------------------------------------------------------------------

    def params(self, convention: str = "total", context: int | None = None) -> float:
        """Parameters by a convention, a whole number except for "effective".

        Args:
            convention: a key of CONVENTIONS.
            context: tokens of a sequence, for "effective"; the architecture's own unless given.

        Source: non_embedding is Kaplan et al. 2020, arXiv 2001.08361; with_head and effective are the "standard" and
        "attention" counts of Porian et al. 2024, arXiv 2406.19146.
        """
        if convention not in CONVENTIONS:
            raise ConfigError(
                f"no way to count parameters is called {convention!r}; there are {', '.join(CONVENTIONS)}"
            )
        if convention == "effective":
            return self.training_flop(context) / 6
        table = self.vocab * self.width
        inner = self._layers(self.experts)
        if convention in ("total", "active"):
            inner = inner if convention == "total" else self._layers(self.active_experts)
            return inner + (table if self.tied else 2 * table) + self.positions * self.width
        return inner + (table if convention == "with_head" else 0)

    def weight_bytes(self, bits: float = 16.0) -> float:
        """Memory that all weights take, every expert included."""
        return self.params() * bits / 8

    def cache_bytes(self, context: int | None = None, bits: float = 16.0) -> float:
        """Memory of keys and values for one sequence of `context` tokens."""
        tokens = self._context(context)
        one = self.latent.kv_rank + self.latent.rope if self.latent else 2 * self.kv_heads * self.head_dim
        seen = self.windowed_layers * self._seen(tokens) + (self.layers - self.windowed_layers) * tokens
        return one * seen * bits / 8

    # ---- FLOP ----------------------------------------------------------------------------------------

    def forward_flop(
        self, context: int | None = None, *, causal: bool = True, lookup: bool = False, softmax: bool = False
    ) -> float:
        """FLOP per token of one pass forwards over a sequence: its matrix products, output head included.

        Two a multiplication and addition. Normalisations, biases and activations are left out: well below 1 %.

        Args:
            context: tokens of the sequence; the architecture's own unless given.
            causal: count only the scores that a token may see, (context + 1) / 2 on average; else the full square,
                as Chinchilla's and PaLM's authors do.
            lookup: count the embedding's lookup as a matrix product, as Chinchilla's authors do.
            softmax: count 3 FLOP a score, as they do.

        Source: Hoffmann et al. 2022, arXiv 2203.15556, appendix F.
        """
        head = 2 * self.vocab * self.width
        return self._body(self._context(context), causal, softmax) + head * (2 if lookup else 1)

    def training_flop(self, context: int | None = None, *, recompute: bool = False, **counted: bool) -> float:
        """FLOP per token of training: the way back costs twice the way forwards.

        Args:
            context: tokens of the sequence; the architecture's own unless given.
            recompute: activations are computed a second time on the way back, except for the output head.
            counted: as in `forward_flop`.
        """
        again = self._body(self._context(context), counted.get("causal", True), counted.get("softmax", False))
        return 3 * self.forward_flop(context, **counted) + (again if recompute else 0)

    def prefill_flop(self, context: int | None = None) -> float:
        """FLOP per token of reading a prompt of `context` tokens; the output head works once, for the last."""
        tokens = self._context(context)
        return self._body(tokens, True, False) + 2 * self.vocab * self.width / tokens

    def decode_flop(self, context: int | None = None) -> float:
        """FLOP of writing one token when `context` tokens, itself among them, can be seen."""
        tokens = self._context(context)
        full = self.layers - self.windowed_layers
        seen = full * tokens + self.windowed_layers * self._seen(tokens)
        score = self._score()
        if self.latent:  # the projections of keys and values move into those of queries and outputs
            score = 2 * self.heads * (2 * self.latent.kv_rank + self.latent.rope)
        return 2 * self._matrices() + 2 * self.vocab * self.width + score * seen

    # ---- parts ---------------------------------------------------------------------------------------

    def _context(self, context: int | None) -> int:
        tokens = self.context if context is None else context
        if not tokens >= 1:
            raise ConfigError(f"context is {tokens!r}; expected at least one token")
        return tokens

    def _seen(self, tokens: int) -> int:
        return min(self.window, tokens) if self.window else tokens

    def _attention(self) -> int:
        """Weights in one layer's projections."""
        w, h = self.width, self.heads
        if self.latent is None:
            return w * self.head_dim * ((3 if self.relative else 2) * h + 2 * self.kv_heads)
        part = self.latent
        query = h * (part.nope + part.rope)
        queries = part.q_rank * (w + query) if part.q_rank else w * query
        return (
            queries + w * (part.kv_rank + part.rope) + part.kv_rank * h * (part.nope + part.value) + h * part.value * w
        )

    def _feeding(self, experts: int) -> int:
        """Weights in all feed-forward layers, of `experts` routed experts in each that has them."""
        per_width = (3 if self.gated else 2) * self.width
        if not self.experts:
            return self.layers * per_width * self.ffn
        gates = self.width * (self.experts + self.shared_gate)
        routed = per_width * (experts * self.expert_ffn + self.shared_ffn) + gates
        return self.dense_layers * per_width * self.ffn + (self.layers - self.dense_layers) * routed

    def _matrices(self) -> int:
        """Weights of all layers that a token is multiplied with."""
        return self.layers * self._attention() + self._feeding(self.active_experts)

    def _layers(self, experts: int) -> int:
        """Parameters of all layers and of the last normalisation."""
        inner = self.heads * self.head_dim
        keys = self.kv_heads * self.head_dim
        one_norm = self.width * (2 if self.norm_bias else 1)
        each = self.norms * one_norm
        each += {"": 0, "head": 2 * self.head_dim, "width": inner + keys}[self.qk_norm]
        each += (inner + 2 * keys if self.qkv_bias else 0) + (self.width if self.out_bias else 0)
        each += self.latent.q_rank + self.latent.kv_rank if self.latent else 0  # their normalisations
        sparse = self.layers - self.dense_layers if self.experts else 0
        biases = sparse * self.experts if self.expert_bias else 0
        if self.ffn_bias:
            up = 2 if self.gated else 1
            biases += (self.layers - sparse) * (up * self.ffn + self.width)
            biases += sparse * experts * (up * self.expert_ffn + self.width)
        last = one_norm if self.final_norm else 0
        return self.layers * (self._attention() + each) + self._feeding(experts) + biases + last

    def _score(self) -> int:
        """FLOP of one layer for each token that a token sees: scores, and their use on values."""
        if self.latent:
            return 2 * self.heads * (self.latent.nope + self.latent.rope + self.latent.value)
        return 2 * self.heads * self.head_dim * (3 if self.relative else 2)

    def _body(self, tokens: int, causal: bool, softmax: bool) -> float:
        """FLOP per token of all layers."""
        within = self._seen(tokens)
        # the first tokens see less than the window
        windowed = within * (2 * tokens - within + 1) / (2 * tokens) if causal else within
        full = (tokens + 1) / 2 if causal else tokens
        seen = (self.layers - self.windowed_layers) * full + self.windowed_layers * windowed
        return 2 * self._matrices() + (self._score() + (3 * self.heads if softmax else 0)) * seen
