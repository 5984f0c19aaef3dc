"""Promises about secrets: none in any byte of any layer, none in the configuration."""

import json
import re
import tempfile
from base64 import b64encode
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote_from_bytes

from detect_secrets.core.scan import scan_file  # type: ignore[import-not-found]
from detect_secrets.settings import get_settings, transient_settings  # type: ignore[import-not-found]

from verify.image import Entry, Image
from verify.origins import is_public, is_written_by_installer
from verify.subject import Subject
from verify.verdict import CannotTellError, Observation, Promise

KEYS: Final = {
    "AWS access key": (b"AKIA", rb"(?<![A-Z0-9])AKIA[A-Z0-9]{16}(?![A-Z0-9])"),
    **{
        f"GitHub token gh{kind}": (
            f"gh{kind}_".encode(),
            rb"(?<![A-Za-z0-9])gh[pousr]_[A-Za-z0-9]{36}(?![A-Za-z0-9])",
        )
        for kind in "pousr"
    },
    "GitHub fine-grained token": (b"github_pat_", rb"github_pat_[A-Za-z0-9_]{82}"),
    "GitLab token": (b"glpat-", rb"glpat-[A-Za-z0-9_-]{20}"),
    "hub token": (b"hf_", rb"(?<![A-Za-z0-9])hf_[A-Za-z0-9]{34}(?![A-Za-z0-9])"),
    "API key": (b"sk-", rb"(?<![A-Za-z0-9])sk-(?:proj-|ant-|svcacct-)?[A-Za-z0-9_-]{40,}"),
    "payment key": (b"sk_live_", rb"sk_live_[A-Za-z0-9]{24}"),
    "Slack token": (b"xox", rb"xox[abprs]-[0-9]{10,}-[A-Za-z0-9-]{20,}"),
    "Google key": (b"AIza", rb"AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
    "npm token": (b"npm_", rb"(?<![A-Za-z0-9])npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])"),
    "private key": (b"PRIVATE KEY-----", rb"PRIVATE KEY-----\s+(?:[\w-]+: .*\s+)*[A-Za-z0-9+/]{40}"),
}
"""Name -> what every such key begins with, for a fast search, and its whole pattern."""
EXAMPLE: Final = re.compile(rb"EXAMPLE|(.)\1{11}")
"""Keys of documentation."""
WINDOW: Final = 256
"""Bytes after the beginning in which a key ends."""
SHORTEST: Final = 8
"""Shorter values are found everywhere by chance."""
DETECTORS: Final = (
    "ArtifactoryDetector",
    "AWSKeyDetector",
    "AzureStorageKeyDetector",
    "BasicAuthDetector",
    "CloudantDetector",
    "DiscordBotTokenDetector",
    "GitHubTokenDetector",
    "GitLabTokenDetector",
    "IbmCloudIamDetector",
    "IbmCosHmacDetector",
    "JwtTokenDetector",
    "KeywordDetector",
    "MailchimpDetector",
    "NpmDetector",
    "OpenAIDetector",
    "PrivateKeyDetector",
    "PypiTokenDetector",
    "SendGridDetector",
    "SlackDetector",
    "SoftlayerDetector",
    "SquareOAuthDetector",
    "StripeDetector",
    "TelegramBotTokenDetector",
    "TwilioKeyDetector",
)
"""All of detect-secrets but the one for public addresses."""
ENTROPY: Final = {"Base64HighEntropyString": 4.5, "HexHighEntropyString": 3.0}
"""Bits per character from which a quoted string counts as random. Source: detect-secrets' defaults."""
CONFIGURATION: Final = "configuration"
"""Where a finding is that no file holds."""
OF_THE_PIPELINE: Final = re.compile(r"^/var/lib/dpkg/|^/etc/(nsswitch\.conf|ssl/certs/ca-certificates\.crt)$")
"""Hashes, certificates and a database called passwd: public by nature; keys are looked for there too."""
FILTER: Final = "detect_secrets.filters.allowlist.is_line_allowlisted"
"""Switched off: an image must not excuse itself with a comment."""
PIECE_BYTES: Final = 1 << 26
TEXT_BYTES: Final = 2_000_000
"""Larger files are searched for keys only, not line by line."""


def canaries(subject: Subject) -> Observation:
    """Search every byte of the archive for the credentials of the build, in six encodings."""
    values = [value for value in subject.canaries if len(value) >= SHORTEST]
    if not values:
        raise CannotTellError("the build was given no credentials that could have leaked")
    forms = {text: name for value in values for name, text in encodings(value).items()}
    wrong = {
        f"a credential of the build, {forms[text]}, in {_place(subject.image, offset)}"
        for text, offset in _hits(subject.image, forms)
    }
    return Observation(sorted(wrong), f"{len(values)} values, {len(subject.image.data) / 1e6:.0f} MB")


def encodings(value: bytes) -> dict[str, bytes]:
    """Return a value in the forms in which it may be written down; base64 in its three phases."""
    found = {"as it is": value, "in hex": value.hex().encode(), "reversed": value[::-1]}
    found["URL-encoded"] = quote_from_bytes(value, safe="").encode()
    found["in JSON"] = json.dumps(value.decode(errors="replace"))[1:-1].encode()
    for phase in range(3):
        # The characters that also depend on the neighbours are cut off on both sides.
        encoded = b64encode(b"\0" * phase + value)[(0, 2, 3)[phase] :].rstrip(b"=")
        found[f"in base64 ({phase})"] = encoded[: len(encoded) - (len(value) + phase) % 3 % 2 - 1]
    return {name: text for name, text in found.items() if name == "as it is" or text != value}


def keys(subject: Subject) -> Observation:
    """Search every byte of every layer and the configuration for keys of known form.

    Libraries test themselves with keys of their own: what anybody can download is not a secret.
    """
    data, wrong = subject.image.data, []
    patterns = {start: (name, re.compile(pattern)) for name, (start, pattern) in KEYS.items()}
    public: dict[int, bool] = {}
    for start, offset in _hits(subject.image, patterns):
        name, pattern = patterns[start]
        match = pattern.search(data[max(0, offset - 1) : offset + WINDOW])
        if not match or match.start() > 1 or EXAMPLE.search(match[0]):
            continue
        entry = _entry_at(subject.image, offset)
        if entry and id(entry) not in public:
            public[id(entry)] = is_public(subject, entry)
        if not (entry and public[id(entry)]):
            wrong.append(f"{name} in {_place(subject.image, offset)}")
    excused = f", {sum(public.values())} public files with keys of their own" if any(public.values()) else ""
    return Observation(sorted(set(wrong)), f"{len(data) / 1e6:.0f} MB, {len(KEYS)} kinds of keys{excused}")


def texts(subject: Subject) -> Observation:
    """Run detect-secrets over the configuration and over every text that no public package brought."""
    found: list[tuple[str, str, int]] = []
    looked = 0
    with tempfile.TemporaryDirectory() as scratch, transient_settings(_settings()):
        get_settings().disable_filters(FILTER)
        for name, text in [(CONFIGURATION, _configuration(subject.image)), *_suspects(subject)]:
            looked += 1
            place = Path(scratch, f"{looked}-{name.rpartition('/')[2]}{'' if '/' in name else '.py'}")
            place.write_bytes(text)
            found += [(name, one.type, one.line_number) for one in scan_file(str(place))]
            place.unlink()
    accepted = subject.facts.accepted_secrets
    wrong = {
        f"{kind} in {name}:{line}" for name, kind, line in found if not _is_accepted(name, kind, accepted)
    }
    return Observation(sorted(wrong), f"{looked} texts")


def _is_accepted(name: str, kind: str, accepted: Iterable[dict[str, str]]) -> bool:
    return any(fnmatchcase(name, one["path"]) and one["kind"] == kind for one in accepted)


def _settings() -> dict[str, Any]:
    plugins: list[dict[str, Any]] = [{"name": name} for name in DETECTORS]
    return {"plugins_used": plugins + [{"name": name, "limit": limit} for name, limit in ENTROPY.items()]}


def _configuration(image: Image) -> bytes:
    """Return environment, labels, command and history as assignments, which the detectors understand."""
    settings = image.settings
    pairs = [one.partition("=")[::2] for one in settings.get("Env") or ()]
    pairs += list((settings.get("Labels") or {}).items())
    words = [*(settings.get("Entrypoint") or ()), *(settings.get("Cmd") or ())]
    history = [
        step.get(key) or "" for step in image.config.get("history") or () for key in ("created_by", "comment")
    ]
    lines = [f'{name} = "{value}"' for name, value in pairs]
    return "\n".join([*lines, *words, *history, ""]).encode()


def _suspects(subject: Subject) -> Iterator[tuple[str, bytes]]:
    """Yield the texts whose bytes come from no locked wheel, Debian package, model or base image."""
    image = subject.image
    covered = {id(entry) for entry in image.covered}
    for entry in image.every_entry:
        if not entry.member.isreg() or not 0 < entry.size <= TEXT_BYTES:
            continue
        made = entry.path.startswith("/models/") or bool(OF_THE_PIPELINE.match(entry.path))
        made = made or is_written_by_installer(entry)
        made = made or (subject.facts.base == "slim" and subject.of_base(entry))
        if made and id(entry) not in covered:
            continue
        data = image.contents(entry)
        if b"\0" not in data[:8192] and not is_public(subject, entry):
            yield entry.path, data


def _hits(image: Image, texts: Collection[bytes]) -> Iterator[tuple[bytes, int]]:
    """Yield where texts are in the archive; piece by piece, as bytes are searched faster than a map."""
    longest = max(map(len, texts))
    for begin in range(0, len(image.data), PIECE_BYTES):
        piece = image.data[begin : begin + PIECE_BYTES + longest - 1]
        for text in texts:
            at = piece.find(text)
            while 0 <= at < PIECE_BYTES:
                yield text, begin + at
                at = piece.find(text, at + 1)


def _entry_at(image: Image, offset: int) -> Entry | None:
    """Return the file that a byte of the archive is in, None where it is in none."""
    entries: list[Entry] = sorted((e for e in image.every_entry if e.size), key=lambda entry: entry.start)
    number = bisect_right([entry.start for entry in entries], offset) - 1
    entry = entries[number] if number >= 0 else None
    return entry if entry and offset < entry.start + entry.size else None


def _place(image: Image, offset: int) -> str:
    """Return the file that a byte of the archive is in, or what else it is."""
    if entry := _entry_at(image, offset):
        return f"{entry.path} (layer {entry.layer})"
    inside = any(start <= offset < end for start, end in image.layers)
    return "a file's name or attributes" if inside else "the image's configuration"


REVOKE: Final = "Revoke it, then hand it over as a dagger.Secret: mounted, and in no layer."
PROMISES: Final = (
    Promise("no credential of the build", canaries, "none, in no encoding, in no layer or setting", REVOKE),
    Promise("no key of known form", keys, "none, in no layer, covered files and settings included", REVOKE),
    Promise(
        "no secret in texts",
        texts,
        "nothing that detect-secrets takes for a secret",
        f"{REVOKE} If it is none, reword the line, or accept it in "
        "[[tool.wheelhouse.verify.accepted_secrets]] of pyproject.toml with path, kind and reason.",
    ),
)
