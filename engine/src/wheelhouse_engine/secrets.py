"""Read secrets when an exec needs them and take their values out of everything shown."""

import asyncio
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from wheelhouse_engine.errors import EngineError, UnsupportedError
from wheelhouse_engine.processes import output_of
from wheelhouse_engine.states import SecretState

SHORTEST_LINE: Final = 4
"""Single lines of a multi-line secret are scrubbed from this length on: `}` alone is no secret."""
MASK: Final = "***"
GRACE_S: Final = 5.0
"""Between TERM and KILL of a `cmd://` command whose caller is cancelled."""


@dataclass(slots=True)
class Secrets:
    """Resolve secrets of one session; values stay in memory."""

    environ: Mapping[str, str]
    workdir: Path
    given: dict[str, str] = field(default_factory=dict)
    """Plaintexts set by the client, by name."""
    _known: dict[str, str] = field(default_factory=dict)
    _pattern: re.Pattern[str] | None = None

    async def plaintext(self, secret: SecretState) -> str:
        """Return the value; raises EngineError naming the reference, never a value."""
        if secret.uri:
            if secret.uri not in self._known:
                self._learn(secret.uri, await self._fetch(secret.uri))
            return self._known[secret.uri]
        if secret.name not in self.given:
            raise EngineError(f"secret {secret.name!r} was not set in this session")
        self._learn(secret.name, self.given[secret.name])
        return self.given[secret.name]

    async def _fetch(self, uri: str) -> str:
        scheme, found, rest = uri.partition(":")
        rest = rest.removeprefix("//")
        if not found or scheme not in ("env", "file", "cmd"):
            if found and scheme in ("op", "vault", "libsecret", "gcp", "aws+sm", "aws+ps"):
                raise UnsupportedError(f"secret provider {scheme}://")
            scheme, rest = "env", uri
        if scheme == "env":
            name = rest.partition("?")[0]
            if name not in self.environ:
                raise EngineError(
                    f'rpc error: code = Unknown desc = secret env var not found: "{name[:3]}..."'
                )
            return self.environ[name]
        if scheme == "file":
            return await self._from_file(rest.partition("?")[0])
        return await self._from_command(rest)

    async def _from_file(self, text: str) -> str:
        path = self.workdir / Path(
            text.replace("~", self.environ.get("HOME", "~"), 1) if text[:1] == "~" else text
        )
        try:
            data = await asyncio.to_thread(path.read_bytes)
        except OSError as error:
            raise EngineError(f"failed to read secret file {text!r}: {error.strerror}") from None
        return data.decode(errors="surrogateescape")

    async def _from_command(self, script: str) -> str:
        code, stdout, stderr = await output_of(
            GRACE_S, "sh", "-c", script, cwd=self.workdir, env=dict(self.environ)
        )
        if code:
            raise EngineError(f"secret command exited with {code}: {stderr.decode(errors='replace').strip()}")
        return stdout.decode(errors="surrogateescape")

    def _learn(self, name: str, value: str) -> None:
        if self._known.get(name) != value:
            self._known[name] = value
            self._pattern = None

    def scrub(self, text: str) -> str:
        """Replace every known value, whole, trimmed or by line, by `***`."""
        if not self._known:
            return text
        if self._pattern is None:
            self._pattern = re.compile(
                "|".join(re.escape(v) for v in _forms(self._known.values())) or r"(?!)"
            )
        return self._pattern.sub(MASK, text)


def _forms(values: Iterable[str]) -> list[str]:
    """Return what must not be seen, longest first, so that a part never hides the whole."""
    forms: set[str] = set()
    for value in values:
        forms |= {value, value.strip()}
        forms |= {line.strip() for line in value.splitlines() if len(line.strip()) >= SHORTEST_LINE}
    return sorted(forms - {""}, key=len, reverse=True)
