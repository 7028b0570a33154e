"""MatFormer: a power of training compute, shared by nested models of all granularities."""

from jaxscale.law import LOSS, PARAMS, TOKENS, Paper, exponent, floor, law, term


@law(
    inputs={"N": PARAMS, "D": TOKENS},
    response=LOSS,
    priors={"c": floor(), "a": term({"N": "-b", "D": "-b"}), "b": exponent(median=0.15, sign=-1.0)},
    linear=("c", "a"),
    falls=("N", "D"),
    source=Paper("MatFormer: Nested Transformer for Elastic Inference", arxiv="2310.07707"),
    decides="the product N D",
    topic="architecture",
)
def matformer_compute(N, D, *, c, a, b):
    """L(N, D) = a (N D)^b + c, with b < 0, in nats per token.

    Fitted over nested models together; it depends on the product only, so it cannot divide compute between N and D.
    Form from memory, coefficients not found.
    """
    return a * (N * D) ** b + c
