"""Loss added by quantising a trained model: the longer it trained, the more it loses."""

from jaxscale.law import PARAMS, TOKENS, Paper, Response, Variable, exponent, law, preset, term

BITS = Variable("bits", "bits", "bits of a quantised weight", span=(1.0, 32.0))
ADDED = Response("loss_added", "nats/token", "loss added by quantisation", noise="normal", scale=None)


@law(
    inputs={"N": PARAMS, "D": TOKENS, "P": BITS},
    response=ADDED,
    priors={
        "k": term({"D": "-beta", "N": "alpha", "P": "gamma"}, median=1.0),
        "alpha": exponent(),
        "beta": exponent(median=0.5),
        "gamma": exponent(median=5.0, spread=0.4),
    },
    rises=("D",),
    source=Paper("Ouyang et al. 2024", arxiv="2411.17691"),
    published={
        "gptq_pythia": preset(
            "secondary",
            "GPTQ, Pythia 160M to 12B, up to 206 billion tokens",
            k=0.017,
            alpha=0.2261,
            beta=0.5251,
            gamma=5.4967,
        )
    },
    decides="N, D, P",
    topic="precision",
    box={"N": (1.6e8, 1.2e10), "P": (2.0, 4.0)},
)
def qid(N, D, P, *, k, alpha, beta, gamma):
    """dL(N, D, P) = k D^beta / (N^alpha P^gamma), in nats per token, for P bits a weight.

    A difference of two losses that is positive; leave out rows where the quantised model is no worse.
    """
    return k * D**beta / N**alpha / P**gamma
