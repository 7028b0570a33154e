"""Heaps: the vocabulary of a text as a power of its length."""

import numpy as np
from scipy.special import gammaln

from jaxscale.law import Paper, Response, Variable, law, share, term
from jaxscale.variables import COUNT

WORDS_READ = Variable("tokens_read", "words", "running words read", COUNT)
VOCABULARY = Response("vocabulary_size", "words", "distinct words", scale=None, units=COUNT)


@law(
    inputs={"n": WORDS_READ},
    response=VOCABULARY,
    priors={"K": term("n", "-beta", median=1.0), "beta": share(centre=0.6, spread=0.7)},
    linear=("K",),
    rises=("n",),
    source=Paper("Chacoma & Zanette 2020", arxiv="2001.02178"),
    topic="data",
)
def heaps(n, *, K, beta):
    """V(n) = K n^beta, with 0 < beta < 1, for the first n running words of a text.

    In English beta is 0.4 to 0.8 and K 1 to 100. Counts along one text are nested, not independent, and beta falls
    slowly as the text grows. `shuffled` is what the same words in random order give: real texts lag behind it.
    """
    return K * n**beta


def shuffled(counts, n):
    """Expected distinct words among the first n of a text whose words are in random order.

    Each word is missed with probability binom(T - f, n) / binom(T, n).

    Args:
        counts: (words,) how often each word of the vocabulary stands in the whole text.
        n: (m,) words read, each at most the length T of the text.
    """
    f, n = np.asarray(counts, float), np.asarray(n, float)[..., None]
    total, left = f.sum(), f.sum() - n
    within = np.maximum(left - f, 0.0)
    missed = gammaln(total - f + 1) - gammaln(within + 1) + gammaln(left + 1) - gammaln(total + 1)
    return np.sum(1.0 - np.where(f <= left, np.exp(missed), 0.0), axis=-1)
