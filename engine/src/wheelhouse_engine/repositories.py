"""Read git repositories of others: their objects, refs and index, never their settings.

A repository's configuration names programs: hooks, a file system monitor, filters, an ssh command,
credential helpers, other configuration files. git would run them as this user, who may be root. It reads
repositories through a git directory of our own instead, which links to theirs.
"""

from pathlib import Path
from typing import Final
from uuid import uuid4

CONFIG: Final = """\
[core]
	repositoryformatversion = 0
	bare = false
	fsmonitor = false
	hooksPath = /dev/null
[uploadpack]
	allowAnySHA1InWant = true
"""
SETTINGS: Final = (
    ("core.fsmonitor", "false"),
    ("core.hooksPath", "/dev/null"),
    ("protocol.ext.allow", "never"),
)
"""Of every git command, whatever the user's own configuration says."""
SHARED: Final = ("objects", "refs", "packed-refs", "shallow")
"""What all working trees of a repository have in common."""
OWN: Final = ("index", "sharedindex.*")
GITDIR: Final = "gitdir:"


def settings_env(*more: tuple[str, str]) -> dict[str, str]:
    """Return the environment that gives git settings without an argument list."""
    settings = [*SETTINGS, *more]
    env = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (name, value) in enumerate(settings):
        env |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return env


def git_dir_of(source: Path) -> Path | None:
    """Return the git directory of a working tree or a bare repository; None where there is none."""
    found = source / ".git"
    if found.is_file():
        text = found.read_text(errors="replace").strip()
        return (source / text.removeprefix(GITDIR).strip()) if text.startswith(GITDIR) else None
    if found.is_dir():
        return found
    return source if (source / "HEAD").is_file() and (source / "objects").is_dir() else None


def without_settings(git_dir: Path, folder: Path) -> Path:
    """Create a git directory below `folder` that has the content of another one and our settings."""
    common = git_dir
    if (pointer := git_dir / "commondir").is_file():
        common = git_dir / pointer.read_text().strip()
    made = folder / f"git-{uuid4().hex}"
    (made / "info").mkdir(parents=True)
    links = [(common, common / name) for name in (*SHARED, "info/exclude")]
    links += [(git_dir, path) for pattern in OWN for path in git_dir.glob(pattern)]
    for base, path in links:
        if path.exists():
            (made / path.relative_to(base)).symlink_to(path.resolve())
    # git takes a link for the old form of a HEAD that names a branch.
    (made / "HEAD").write_bytes((git_dir / "HEAD").read_bytes())
    (made / "config").write_text(CONFIG)
    return made
