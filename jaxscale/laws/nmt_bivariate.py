"""Machine translation: loss in encoder and decoder parameters."""

from jaxscale.law import LOSS, Paper, Variable, exponent, floor, law, term

SIZES = (1e5, 1e11)
COUNT = {"1": 1.0, "K": 1e3, "M": 1e6, "B": 1e9}
ENCODER = Variable("encoder_params", "parameters", "non-embedding parameters of the encoder", COUNT, 1e3, span=SIZES)
DECODER = Variable("decoder_params", "parameters", "non-embedding parameters of the decoder", COUNT, 1e3, span=SIZES)


@law(
    inputs={"Ne": ENCODER, "Nd": DECODER},
    response=LOSS,
    priors={
        "Linf": floor(),
        "beta": term({"Ne": "pe", "Nd": "pd"}),
        "pe": exponent(median=0.2),
        "pd": exponent(median=0.2),
    },
    linear=("Linf", "beta"),
    falls=("Ne", "Nd"),
    source=Paper("Ghorbani et al. 2021", arxiv="2109.07740"),
    decides="Ne, Nd",
    topic="translation",
)
def nmt_bivariate(Ne, Nd, *, Linf, beta, pe, pd):
    """L(Ne, Nd) = beta Ne^-pe Nd^-pd + Linf, in nats per token.

    Parameters without embeddings. The paper writes alpha (Ne0 / Ne)^pe (Nd0 / Nd)^pd with reference sizes. At a fixed
    sum of both the encoder's best share is pe / (pe + pd). Coefficients were not found.
    """
    return beta * Ne**-pe * Nd**-pd + Linf
