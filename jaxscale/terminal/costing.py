"""Commands that count: cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from jaxscale.errors import ConfigError
from jaxscale.terminal.console import emit, paragraphs, table
from jaxscale.terminal.exits import DONE
from jaxscale.terminal.options import Json, above_zero
from jaxscale.words import MISSING, human, plain

if TYPE_CHECKING:
    from jaxscale.decide.architecture import Architecture
    from jaxscale.decide.hardware import Hardware

MEANT = {
    "total": "all", "non_embedding": "without embeddings and head", "with_head": "without embeddings, with head",
    "active": "that a token passes", "effective": "training FLOP / 6",
}  # fmt: skip


def cost(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help="A model's config.json, or its folder.")],
    tokens: Annotated[
        float | None, typer.Option(parser=above_zero, metavar="TOKENS", help="Tokens to train on.")
    ] = None,
    context: Annotated[
        float | None, typer.Option(parser=above_zero, metavar="TOKENS", help="Of a sequence.", show_default="config's")
    ] = None,
    serve_tokens: Annotated[
        float | None, typer.Option(parser=above_zero, metavar="TOKENS", help="Tokens to serve.")
    ] = None,
    full_attention: Annotated[bool, typer.Option(help="Count masked scores too, as some papers do.")] = False,
    recompute: Annotated[bool, typer.Option(help="Count a second pass forwards for activations.")] = False,
    hardware: Annotated[str | None, typer.Option(metavar="NAME", help="Accelerator, such as H100.")] = None,
    count: Annotated[
        float | None, typer.Option(parser=above_zero, metavar="DEVICES", help="How many.", show_default="1")
    ] = None,
    mfu: Annotated[float | None, typer.Option(help="Share of the peak in use; measure yours.")] = None,
    price: Annotated[float | None, typer.Option(help="Of one device for one hour.")] = None,
    json: Json = False,
) -> int:
    """Count a model's parameters and FLOP, and what they cost.

    Exact to the matrix product, beside 6 N. Hours and money are for the hardware, MFU and price that you give.
    """
    from jaxscale.decide.architecture import Architecture
    from jaxscale.decide.hardware import get_hardware

    shape = Architecture.from_config(config)
    seen = shape.context if context is None else int(context)
    if hardware is None and not (mfu is price is count is None):
        raise ConfigError("--count, --mfu and --price say something of --hardware; name it, such as --hardware H100")
    own = {k: v for k, v in (("mfu", mfu), ("price", price)) if v is not None}
    device = None if hardware is None else get_hardware(hardware, **own)
    counted = {"causal": not full_attention, "recompute": recompute}
    document = _document(shape, seen, context is not None, counted, tokens, serve_tokens)
    spent = document["training"]["total"] if tokens else None
    served = document["serving"]["total"] if serve_tokens else None
    if device is not None:
        document["hardware"] = vars(device) | {"count": count or 1.0, "mfu_is_given": mfu is not None}
        for name, flop in (("training", spent), ("serving", served)):
            if flop is not None:
                document[name] |= _bill(device, flop, count or 1.0)
    emit(json, document, _text(document, tokens, serve_tokens))
    return DONE


def _document(
    shape: Architecture,
    context: int,
    given: bool,
    counted: dict[str, bool],
    tokens: float | None,
    serve_tokens: float | None,
) -> dict[str, Any]:
    train, serve = shape.training_flop(context, **counted), shape.forward_flop(context)
    return {
        "architecture": {k: v if k != "latent" or v is None else vars(v) for k, v in vars(shape).items()},
        "context": context, "context_is_given": given,
        "params": {name: shape.params(name, context) for name in MEANT},
        "flop_per_token": {
            "training": train, "forward": shape.forward_flop(context, causal=counted["causal"]),
            "prefill": shape.prefill_flop(context), "decode": shape.decode_flop(context),
        },
        "counted": counted,
        "memory": {"weights_16_bit": shape.weight_bytes(16), "cache_16_bit": shape.cache_bytes(context, 16)},
        "training": {"total": train * tokens, "six_nd": 6 * shape.params("active") * tokens} if tokens else None,
        "serving": {"total": serve * serve_tokens} if serve_tokens else None,
    }  # fmt: skip


def _bill(device: Hardware, flop: float, count: float) -> dict[str, float | None]:
    money = None if device.price is None else device.money(flop)
    return {"device_hours": device.device_hours(flop), "hours": device.hours(flop, count), "money": money}


def _text(document: dict[str, Any], tokens: float | None, serve_tokens: float | None) -> str:
    found, flop, memory = document["params"], document["flop_per_token"], document["memory"]
    rows = [[name, MEANT[name], human(n, digits=4), plain(flop["training"] / (6 * n))] for name, n in found.items()]
    parts = [table(["parameters", "which", "N", "training FLOP / 6N"], rows, left=2)]
    lines = [(f"{name} FLOP per token", plain(value, digits=4)) for name, value in flop.items()]
    lines += [("weights in 16 bits", f"{plain(memory['weights_16_bit'] / 1e9)} GB")]
    lines += [("keys and values of a sequence", f"{plain(memory['cache_16_bit'] / 1e9)} GB")]
    parts += [table([f"at {plain(document['context'], digits=7)} tokens a sequence", ""], lines)]
    bills = [("training", tokens), ("serving", serve_tokens)]
    header = ["", "tokens", "FLOP", "device-hours", "hours", "money"]
    rows = [[name, human(t), *_billed(document[name])] for name, t in bills if t]
    device = document.get("hardware")
    if rows:
        width = len(header) if device else 3
        parts += [table(header[:width], [row[:width] for row in rows])]
    return paragraphs(*parts, "\n".join(f"- {note}" for note in _notes(document, device)))


def _billed(bill: dict[str, Any]) -> list[str]:
    found = [bill.get(k) for k in ("total", "device_hours", "hours", "money")]
    return [MISSING if value is None else plain(value, digits=4) for value in found]


def _notes(document: dict[str, Any], device: dict[str, Any] | None) -> list[str]:
    counted = document["counted"]
    said = ["Attention counts the scores that a token may see; --full-attention counts the masked ones too."]
    if not counted["causal"]:
        said = ["Attention counts the full square of scores in training and forwards."]
    if not document["context_is_given"]:
        said += ["Sequences are the longest that the configuration allows; give the trained length with --context."]
    if counted["recompute"]:
        said += ["Training counts a second pass forwards, so its MFU is that of the hardware, not of the model."]
    if training := document["training"]:
        said += [f"6 N D, N the active parameters, would say {plain(training['six_nd'], digits=4)} FLOP."]
    if device:
        whose = "as given" if device["mfu_is_given"] else "an assumption: measure yours and give --mfu"
        said += [f"{device['name']}: {plain(device['peak'] / 1e12, digits=5)} TFLOP/s in dense bfloat16, "
                 f"{plain(device['count'], digits=6)} of them, MFU {plain(device['mfu'])} ({whose})."]  # fmt: skip
        if document["serving"]:
            said += ["Serving is taken at the same MFU; writing token by token seldom reaches it."]
        if device["price"] is None:
            said += ["No price was given, so there is no money: --price, per device and hour."]
    return said
