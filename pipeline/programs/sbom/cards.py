"""Describe a model by its own files: configuration, sources, producer.

The elements are those that the G7's "SBOM for AI: Minimum Elements" (12 May 2026) lists for models, as far
as the files of a model state them. Its training and the time of that are in no file, and are left out.
"""

from collections.abc import Mapping
from typing import Any

from sbom.facts import ModelCard


def model_card(name: str, producer: str, sources: tuple[str, ...], config: Mapping[str, Any]) -> ModelCard:
    """Return the card of a model.

    Args:
        name: as the service calls it.
        producer: owner of the repository that it is from; "" where none is known.
        sources: addresses that its files are fetched from.
        config: its config.json, as models.export writes it or as the hub has it; empty for none.

    """
    named = [str(one) for one in config.get("architectures") or ()]
    family = str(config.get("architecture") or config.get("model_type") or "")
    size, length = config.get("hidden_size"), config.get("max_length")
    task = str(config.get("task") or "")
    details = [family, f"{size} dimensions" if size else "", str(config.get("precision") or "")]
    known = ", ".join(one for one in details if one)
    origin = f", from {sources[0]}" if sources else ""
    outputs = {"embedding": f"vector of {size} numbers", "rerank": "score"}
    return ModelCard(
        producer=producer,
        description=f"{task or 'machine-learning'} model {name}{f' ({known})' if known else ''}{origin}",
        references=sources,
        task=task,
        family=family,
        architecture=", ".join(named) or known,
        inputs=(f"text, at most {length} tokens" if length else "text",) if task else (),
        outputs=(outputs[task],) if task in outputs else (),
    )


def as_cyclonedx(card: ModelCard) -> dict[str, Any]:
    """Return the fields of a CycloneDX component; those that nothing is known of are left out."""
    parameters: dict[str, Any] = {
        "task": card.task,
        "architectureFamily": card.family,
        "modelArchitecture": card.architecture,
        "inputs": [{"format": one} for one in card.inputs],
        "outputs": [{"format": one} for one in card.outputs],
    }
    parameters = {key: value for key, value in parameters.items() if value}
    fields: dict[str, Any] = {
        "description": card.description,
        "manufacturer": {"name": card.producer} if card.producer else None,
        "externalReferences": [{"type": "distribution", "url": one} for one in card.references],
        "modelCard": {"modelParameters": parameters} if parameters else None,
    }
    return {key: value for key, value in fields.items() if value}
