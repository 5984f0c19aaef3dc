"""Bring a module of a git repository here, at the commit that `-m` names."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from wheelhouse_engine.cli.failures import ModuleLoadError
from wheelhouse_engine.repositories import git_dir_of, settings_env, without_settings
from wheelhouse_engine.store import Store

REMOTE: Final = re.compile(r"(?:https?|ssh|git)://|git@|(?:github\.com|gitlab\.com|bitbucket\.org)/")
"""How a module of elsewhere begins. Source: the address forms of `dagger -m`, v0.21."""
COPY: Final = "WHEELHOUSE_MODULE_COPY"
"""Variable that says, in the container of a fetched module, where it is."""
CLIENT: Final = "WHEELHOUSE_MODULE_CLIENT"
"""Variable that says, in that container, which file has what its client has of other modules."""
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Remote:
    """A repository, a folder in it, and what of its history."""

    url: str
    folder: str
    ref: str
    """Commit, tag or branch; "" for the default branch."""

    @classmethod
    def parse(cls, reference: str) -> Self:
        """Return what `HOST/OWNER/NAME[/FOLDER][@REF]` or a URL of git names."""
        scheme, separator, rest = reference.rpartition("://")
        user, at, place = rest.partition("@") if re.match(r"[^/]+@[^/]+[:/]", rest) else ("", "", rest)
        address, _, ref = place.partition("@")
        path = address if separator else address.replace(":", "/", 1)
        prefix = f"{scheme}://" if separator else "ssh://" if at else "https://"
        # Where `.git` ends the repository it may lie at any depth; hosts that leave it out have two levels.
        repository, marked, folder = path.partition(".git/") if ".git/" in path else (path, "", "")
        if not marked and not path.endswith(".git"):
            repository, folder = "/".join(path.split("/")[:3]), "/".join(path.split("/")[3:])
        return cls(url=f"{prefix}{user}{at}{repository}{marked.rstrip('/')}", folder=folder, ref=ref)

    @property
    def is_commit(self) -> bool:
        """Tell whether it names the same files for ever."""
        return bool(_COMMIT.fullmatch(self.ref))


def is_fetched(reference: str | None, environ: Mapping[str, str]) -> bool:
    """Tell whether a module is of elsewhere, and this process not already the one that runs it."""
    reference = reference or environ.get("DAGGER_MODULE")
    return bool(reference and REMOTE.match(reference)) and COPY not in environ


def local_copy(reference: str, workdir: Path) -> Path:
    """Return the folder of a module of elsewhere, fetched with git; a commit is fetched once.

    The repository around the working folder is asked first: a line from a CI job needs no network in a
    clone that has the commit.

    Raises:
        ModuleLoadError: git cannot fetch it; says what git said.

    """
    if given := os.environ.get(COPY):
        return Path(given)
    remote = Remote.parse(reference)
    name = hashlib.sha256(f"{remote.url}@{remote.ref}".encode()).hexdigest()[:24]
    store = Store.open(os.environ)
    place = store.modules / name
    store.used(name)
    if not (remote.is_commit and place.is_dir()):
        _fetch(remote, workdir, place)
    return place / remote.folder


def _origin(remote: Remote, workdir: Path, scratch: Path) -> str:
    """Return where to fetch from: the repository around the working folder, if it has the commit.

    That repository is read without its settings, which may be another user's.
    """
    around = next((found for one in (workdir, *workdir.parents) if (found := git_dir_of(one))), None)
    if not remote.is_commit or around is None:
        return remote.url
    here = without_settings(around, scratch)
    known = _git("--git-dir", str(here), "cat-file", "-e", f"{remote.ref}^{{commit}}")
    return here.as_uri() if known.returncode == 0 else remote.url


def _fetch(remote: Remote, workdir: Path, place: Path) -> None:
    """Clone next to the place and rename: a clone that was interrupted is never taken for a module."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".clone-") as folder:
        clone = Path(folder) / "module"
        origin = _origin(remote, workdir, Path(folder))
        _need(_git("init", "--quiet", str(clone)), remote)
        # A commit of a pull request is on no branch: it is asked for by name, here and on code hosts.
        fetch = ("fetch", "--quiet", "--depth=1", "--", origin, remote.ref or "HEAD")
        _need(_git("-C", str(clone), *fetch), remote)
        _need(_git("-C", str(clone), "checkout", "--quiet", "--detach", "FETCH_HEAD"), remote)
        shutil.rmtree(place, ignore_errors=True)
        clone.rename(place)


def _need(done: "subprocess.CompletedProcess[str]", remote: Remote) -> None:
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or ["git failed"]
        raise ModuleLoadError(
            f"module {remote.url}@{remote.ref or 'HEAD'} cannot be fetched: {said[0]}. "
            "Clone it and pass -m FOLDER."
        )


def _git(*words: str) -> "subprocess.CompletedProcess[str]":
    # No prompt for a password: a command that waits for nobody looks like one that hangs.
    command: Sequence[str] = ("git", "-c", "core.askPass=true", "-c", "credential.interactive=false", *words)
    env = {**os.environ, **settings_env()}
    return subprocess.run(
        command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, env=env
    )
