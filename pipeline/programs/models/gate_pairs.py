"""Hold a model that scores pairs of texts against its float32 reference."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from tokenizers import Tokenizer

from models.gate import BATCH, Likeness, mean_quality, retrieval_set, unit
from models.heads import SCORES
from models.session import Session, Text, tokenise, tokenise_batch

QUERIES: Final = 12
"""Queries scored against all 60 passages: 720 pairs keep the gate below a minute."""


@dataclass(frozen=True, slots=True)
class Rankings:
    """Scores of every passage for every query, float64 (queries, passages)."""

    scores: Any

    def shapes(self) -> Any:
        """Return each query's scores around their mean, scaled to length 1.

        Only differences between passages decide a ranking, so they are what is compared.
        """
        return unit(self.scores - self.scores.mean(axis=1, keepdims=True))


def compare_pairs(export: Session, reference: Session, tokenizer: Tokenizer) -> Likeness:
    """Score the retrieval set with both and compare, alone and in padded batches."""
    documents, queries = retrieval_set()
    asked = queries[:: len(queries) // QUERIES][:QUERIES]
    pairs: list[Text] = [(q["text"], d["text"]) for q in asked for d in documents]
    expected = _rankings(reference, tokenizer, pairs, 1, len(asked))
    found = _rankings(export, tokenizer, pairs, 1, len(asked))
    batched = _rankings(export, tokenizer, pairs, BATCH, len(asked))
    likeness = (found.shapes() * expected.shapes()).sum(axis=1)
    return Likeness(
        texts=len(pairs),
        cosine_mean=float(likeness.mean()),
        cosine_worst=float(likeness.min()),
        worst_text=asked[int(likeness.argmin())]["text"][:40],
        batched_worst=float((batched.shapes() * expected.shapes()).sum(axis=1).min()),
        ndcg_reference=mean_quality(expected.scores, asked, documents),
        ndcg=mean_quality(found.scores, asked, documents),
    )


def _rankings(
    session: Session, tokenizer: Tokenizer, pairs: Sequence[Text], batch: int, queries: int
) -> Rankings:
    if batch == 1:
        batches = tokenise(tokenizer, pairs)
    else:
        batches = [tokenise_batch(tokenizer, pairs[i : i + batch]) for i in range(0, len(pairs), batch)]
    logits = np.concatenate([session.run(tokens, [SCORES])[0] for tokens in batches]).astype(np.float64)
    return Rankings(logits[:, -1].reshape(queries, -1))
