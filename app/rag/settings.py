"""Settings: environment in, one frozen value out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rag.errors import SettingsError


class Settings(BaseModel):
    """Hold everything the service can be told, with working defaults.

    The environment variable of a field is its name in capitals. A variable that
    is set but empty counts as not set.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, protected_namespaces=())

    host: str = Field("0.0.0.0", description="address to listen on")  # noqa: S104 - a container's only interface
    port: int = Field(8000, ge=1, le=65535, description="port to listen on")
    embedder: Literal["auto", "local", "upstream"] = Field(
        "auto", description="who embeds; auto: the local model where ONNX Runtime is installed"
    )
    model_dir: Path = Field(Path("/models/minilm"), description="folder of model.onnx and tokenizer.json")
    model_name: str = Field("all-MiniLM-L6-v2", description="name the local model is served under")
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="where the local model runs; cuda refuses to start without a GPU"
    )
    threads: int = Field(0, ge=0, le=256, description="threads of one inference; 0: the CPUs granted")
    inferences: int = Field(1, ge=1, le=64, description="inferences at the same time")
    upstream_url: str | None = Field(
        None, pattern=r"^https?://[^\s@]+$", description="OpenAI-compatible server, ending in /v1"
    )
    upstream_key_file: Path | None = Field(None, description="file holding the upstream's key")
    upstream_embedding_model: str = Field(
        "text-embedding-3-small", description="model the upstream embeds with (no local model)"
    )
    upstream_chat_model: str = Field("gpt-4o-mini", description="model the upstream answers with")
    upstream_timeout_s: float = Field(60.0, gt=0, le=3600, description="longest wait for upstream bytes")
    database_url: str | None = Field(
        None,
        pattern=r"^postgres(ql)?://",
        description="PostgreSQL with pgvector; vectors stay in memory without",
    )
    api_key_file: Path | None = Field(None, description="file holding the key that callers must send")
    model_aliases: str = Field(
        "", description="further model names that are answered, separated by commas; `*`: every name"
    )
    vocabulary: Literal["none", "model", "cl100k_base"] = Field(
        "none", description="what token ids in `input` mean: the model's own, or OpenAI's; none: refused"
    )
    vocabulary_file: Path = Field(
        Path("/models/cl100k/cl100k_base.tiktoken"), description="cl100k_base in tiktoken's format"
    )
    truncate: bool = Field(
        True, description="cut an input that is longer than the model reads, and report it; else refuse it"
    )
    max_batch: int = Field(2048, ge=1, le=2048, description="most inputs of one embeddings request")
    max_chars: int = Field(100_000, ge=1, le=10_000_000, description="most characters of one text")
    max_body_bytes: int = Field(8_000_000, ge=1_000, le=1_000_000_000, description="largest request body")
    max_buffered_bytes: int = Field(
        64_000_000,
        ge=1_000,
        le=100_000_000_000,
        description="most body bytes held at once, over all requests",
    )
    max_concurrent: int = Field(64, ge=1, le=100_000, description="requests worked on at once; more get 429")
    max_passages: int = Field(100_000, ge=1, le=100_000_000, description="most passages held in memory")
    body_timeout_s: float = Field(10.0, gt=0, le=3600, description="longest a request body may take")
    header_timeout_s: float = Field(10.0, gt=0, le=3600, description="longest a request head may take")
    drain_timeout_s: int = Field(
        30, ge=0, le=3600, description="longest wait for accepted requests after SIGTERM"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least log level shown"
    )

    @property
    def aliases(self) -> tuple[str, ...]:
        """Return the model names of MODEL_ALIASES, without `*`."""
        names = (name.strip() for name in self.model_aliases.split(","))
        return tuple(name for name in names if name not in ("", "*"))

    @property
    def answers_any_model(self) -> bool:
        """Tell whether MODEL_ALIASES allows every name."""
        return "*" in (name.strip() for name in self.model_aliases.split(","))

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings from environment variables.

        Raises:
            SettingsError: names each wrong variable, what was found and what is legal.

        """
        given = {name: environ.get(name.upper(), "").strip() for name in cls.model_fields}
        given = {name: text for name, text in given.items() if text}
        try:
            return cls.model_validate(given)
        except ValidationError as exc:
            raise SettingsError(_explain(exc, given)) from None


def read_key(path: Path | None, variable: str) -> str | None:
    """Read a key from a file, without the white space around it.

    Raises:
        SettingsError: the file is missing, unreadable, empty or not printable ASCII.

    """
    if path is None:
        return None
    try:
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise SettingsError(
            f"{variable}: {path}: {type(exc).__name__}. Expected a readable ASCII file."
        ) from None
    if not key or not key.isprintable() or " " in key:
        raise SettingsError(f"{variable}: {path}: expected one key on one line. Write it there.")
    return key


def _explain(exc: ValidationError, given: Mapping[str, str]) -> str:
    lines = []
    for problem in exc.errors(include_url=False):
        name = str(problem["loc"][0])
        # A database address may carry a password.
        found = "a value (not shown)" if name.endswith("_url") else repr(given[name])
        default = Settings.model_fields[name].default
        lines.append(f"{name.upper()}: found {found}; {problem['msg'].lower()}. Unset it to get {default!r}.")
    return "\n".join(lines)
