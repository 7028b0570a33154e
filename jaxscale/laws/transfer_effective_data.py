"""Transfer: how much fine-tuning data a pre-trained model saves."""

from jaxscale.law import PARAMS, Paper, Response, Variable, exponent, law, preset, term
from jaxscale.variables import COUNT

FINETUNING = Variable("finetune_characters", "characters", "characters of the fine-tuning set", COUNT)
TRANSFERRED = Response(
    "transferred_characters", "characters", "data that pre-training is worth", noise="normal", scale=None, units=COUNT
)


@law(
    inputs={"DF": FINETUNING, "N": PARAMS},
    response=TRANSFERRED,
    priors={
        "k": term({"DF": "-alpha", "N": "-beta"}, median=1.0),
        "alpha": exponent(median=0.2),
        "beta": exponent(median=0.4),
    },
    rises=("DF", "N"),
    source=Paper("Hernandez et al. 2021", arxiv="2102.01293", where="table 1"),
    published={
        "text_to_python": preset(k=1.9e4, alpha=0.18, beta=0.38),
        "text_and_code_to_python": preset(k=2.1e5, alpha=0.096, beta=0.38),
    },
    decides="DF, N",
    topic="fine-tuning",
)
def transfer_effective_data(DF, N, *, k, alpha, beta):
    """DT(DF, N) = k DF^alpha N^beta, in characters.

    DT is what a model trained from scratch would need beside DF to be as good; DF + DT is the effective data. N counts
    non-embedding parameters. Holds where DF is at most a tenth of the data that suffices to train N from scratch.
    """
    return k * DF**alpha * N**beta
