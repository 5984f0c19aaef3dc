"""Configuration of a service: its pyproject.toml, parsed and checked."""

from typing import Any, Self

from pydantic import ValidationError

from pipeline.config_errors import TABLE, place, sentences
from pipeline.config_rules import contradictions
from pipeline.config_tables import (
    Declared,
    Export,
    ModelConfig,
    ProjectTable,
    ServiceConfig,
    VariantConfig,
    legal_keys,
)
from pipeline.errors import ConfigError, near_miss
from pipeline.projects import tables_of
from pipeline.variants import Variant

__all__ = ["Config", "ModelConfig", "ProjectTable", "ServiceConfig", "VariantConfig"]


class Config(Declared):
    """One service: its project table and its `[tool.wheelhouse]` table, checked against each other."""

    project: ProjectTable
    service: ServiceConfig
    groups: frozenset[str] = frozenset()
    """Names of `[dependency-groups]`."""
    indexes: tuple[str, ...] = ()
    """URLs of `[[tool.uv.index]]`, e.g. the CPU index of torch: searched besides the main index."""

    @classmethod
    def parse(cls, pyproject: str) -> Self:
        """Return the checked configuration of a pyproject.toml text.

        Raises:
            ConfigError: not TOML, no such table, a wrong key or value, or values that contradict each
                other; every one is listed.

        """
        try:
            config = cls.model_validate_json(tables_of(pyproject), strict=True)
        except ValidationError as error:
            raise ConfigError(sentences(pyproject, error.errors(), legal_keys)) from error
        _check_references(config, pyproject)
        if wrong := contradictions(config.project, config.service):
            lines = (f"{place(pyproject, table, key)}[{table}] {found}" for key, found, table in wrong)
            raise ConfigError("\n".join(lines))
        return config

    def variant(self, variant: Variant) -> VariantConfig:
        """Return what the service declares for a variant.

        Raises:
            ConfigError: the service does not declare this variant.

        """
        declared = self.service.variants
        if variant.value not in declared:
            raise ConfigError.of(
                f"[{TABLE}.variants.{variant.value}] is absent",
                expected=f"one of {', '.join(sorted(declared))}",
                do="Choose one of these with --variant, or declare the table.",
            )
        return declared[variant.value]

    def exports(self, variant: Variant) -> dict[str, Export]:
        """Return the runtime format of each model of a variant, by the model's name."""
        declared = self.variant(variant)
        own = {name: self.service.models[name].export for name in declared.models}
        return {name: kept if kept == "files" else declared.export or kept for name, kept in own.items()}

    def requirements(self, variant: Variant) -> tuple[str, ...]:
        """Return the requirement lines that the variant declares: dependencies and its extras."""
        extras = self.project.optional_dependencies
        chosen = (line for extra in self.variant(variant).extras for line in extras[extra])
        return (*self.project.dependencies, *chosen)


def _check_references(config: Config, text: str) -> None:
    for name, variant in config.service.variants.items():
        _known(text, f"variants.{name}.extras", variant.extras, config.project.optional_dependencies)
        _known(text, f"variants.{name}.models", variant.models, config.service.models)


def _known(text: str, key: str, words: tuple[str, ...], known: dict[str, Any]) -> None:
    for word in words:
        if word not in known:
            raise ConfigError.of(
                f"{place(text, TABLE, key)}[{TABLE}] {key} names {word!r}{near_miss(word, known)}",
                expected=f"one of {', '.join(sorted(known)) or '(none is declared)'}",
                do=f"Fix {key}.",
            )
