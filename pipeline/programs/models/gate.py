"""Accept an export only when it stays close to its float32 reference."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from tokenizers import Tokenizer

from models.errors import GateFailed
from models.pooling import Pooling
from models.session import Session, Tokens, tokenise, tokenise_batch

DATA: Final = Path(__file__).parent / "data"
DEPTH: Final = 10  # nDCG@10
MEANINGFUL_NDCG: Final = 0.3
"""Below this the reference itself ranks like chance, 0.13 for random weights; then rankings prove nothing."""
BATCH: Final = 8  # texts per padded batch in the batched pass


@dataclass(frozen=True, slots=True)
class Limits:
    """What an export must reach."""

    cosine_mean: float
    cosine_worst: float
    ndcg_loss: float = 0.01
    """Largest relative loss of nDCG@10."""


LIMITS: Final = {
    "fp32": Limits(cosine_mean=0.999999, cosine_worst=0.99999, ndcg_loss=0.0),
    "fp16": Limits(cosine_mean=0.9999, cosine_worst=0.9999),
    "int8": Limits(cosine_mean=0.99, cosine_worst=0.985),
}
"""Source: the project's promise for models; fp32 is rounding only."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """How close an export is to its reference."""

    texts: int
    cosine_mean: float
    cosine_worst: float
    worst_text: str
    batched_worst: float
    """Worst cosine when texts share padded batches of 8."""
    ndcg_reference: float
    ndcg: float

    @property
    def ndcg_loss(self) -> float:
        """Return the relative loss of nDCG@10, negative when the export ranks better."""
        return 1 - self.ndcg / self.ndcg_reference

    @property
    def ranks(self) -> bool:
        """Tell whether the reference ranks well enough for its ranking to be a measure."""
        return self.ndcg_reference >= MEANINGFUL_NDCG

    def report(self) -> dict[str, Any]:
        """Return the numbers rounded to what processors agree on."""
        rounded = {key: round(v, 6) if isinstance(v, float) else v for key, v in asdict(self).items()}
        return {**rounded, "ndcg_loss": round(self.ndcg_loss, 6)}


@dataclass(frozen=True, slots=True)
class Subject:
    """A model under comparison, with what to read from it."""

    session: Session
    output: str
    pooling: Pooling

    def embed(self, batches: Sequence[Tokens]) -> Any:
        """Return unit vectors, float64 (n, width), pooled here when the model gives one per token."""
        return unit(np.concatenate([self._pooled(tokens) for tokens in batches]))

    def _pooled(self, tokens: Tokens) -> Any:
        (found,) = self.session.run(tokens, [self.output])
        if found.ndim == 2:  # noqa: PLR2004 - one vector per text already
            return found
        kept = tokens.attention_mask[:, :, None].astype(bool)
        if self.pooling.mode == "cls":
            return found[:, 0]
        if self.pooling.mode == "max":
            return np.where(kept, found, -np.inf).max(axis=1)
        return (found * kept).sum(axis=1) / kept.sum(axis=1)


def compare(export: Subject, reference: Subject, tokenizer: Tokenizer) -> Likeness:
    """Embed the corpus and the retrieval set with both and compare."""
    texts = read_texts("corpus.txt")
    alone = tokenise(tokenizer, texts)
    expected = reference.embed(alone)
    cosines = (export.embed(alone) * expected).sum(axis=1)
    batches = [tokenise_batch(tokenizer, texts[i : i + BATCH]) for i in range(0, len(texts), BATCH)]
    batched = (export.embed(batches) * expected).sum(axis=1)
    return Likeness(
        texts=len(texts),
        cosine_mean=float(cosines.mean()),
        cosine_worst=float(cosines.min()),
        worst_text=texts[int(cosines.argmin())][:40],
        batched_worst=float(batched.min()),
        ndcg_reference=ranking_quality(reference, tokenizer),
        ndcg=ranking_quality(export, tokenizer),
    )


def require(likeness: Likeness, precision: str) -> None:
    """Raise GateFailed listing every number that misses its limit."""
    limits = LIMITS[precision]
    worst = min(likeness.cosine_worst, likeness.batched_worst)
    misses = [
        f"{name}: measured {measured:.5f}, required {sign} {required}"
        for name, measured, sign, required in (
            ("mean cosine", likeness.cosine_mean, ">=", limits.cosine_mean),
            (f"worst cosine ({likeness.worst_text!r})", worst, ">=", limits.cosine_worst),
            ("nDCG@10 loss", likeness.ndcg_loss if likeness.ranks else 0.0, "<=", limits.ndcg_loss),
        )
        if not (measured >= required if sign == ">=" else measured <= required)
    ]
    if misses:
        raise GateFailed(
            f"the {precision} export differs too much from float32 over {likeness.texts} texts: "
            f"{'; '.join(misses)}. "
            'Choose a higher precision for this model (export = "onnx-fp32").'
        )


def ranking_quality(subject: Subject, tokenizer: Tokenizer) -> float:
    """Return the mean nDCG@10 over the retrieval set, 0 to 1.

    The best passage of a query has gain 3, others of its topic gain 1.
    """
    documents, queries = retrieval_set()
    passages = subject.embed(tokenise(tokenizer, [d["text"] for d in documents]))
    questions = subject.embed(tokenise(tokenizer, [q["text"] for q in queries]))
    return mean_quality(questions @ passages.T, queries, documents)


def retrieval_set() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the passages and the queries of the retrieval set."""
    data = json.loads((DATA / "retrieval.json").read_text(encoding="utf-8"))
    return data["documents"], data["queries"]


def mean_quality(
    scores: Any, queries: Sequence[dict[str, Any]], documents: Sequence[dict[str, Any]]
) -> float:
    """Return the mean nDCG@10 of scores (queries, documents)."""
    topics = np.array([d["topic"] for d in documents])
    qualities = []
    for query, row in zip(queries, scores, strict=True):
        gains = (topics == query["topic"]).astype(float)
        gains[query["best"]] = 3.0
        qualities.append(
            _discounted(gains[np.argsort(-row, kind="stable")]) / _discounted(np.sort(gains)[::-1])
        )
    return float(np.mean(qualities))


def read_texts(name: str) -> list[str]:
    """Read one text per line from a data file, empty lines left out."""
    return [line for line in (DATA / name).read_text(encoding="utf-8").split("\n") if line]


def unit(vectors: Any) -> Any:
    """Scale rows to length 1, float64 (n, width)."""
    wide = np.asarray(vectors, np.float64)
    return wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12)


def _discounted(gains: Any) -> float:
    top = gains[:DEPTH]
    return float((top / np.log2(np.arange(2, len(top) + 2))).sum())
