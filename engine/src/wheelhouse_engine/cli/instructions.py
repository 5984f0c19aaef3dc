"""Spell single operations as instructions of a Containerfile, or as what a shell does."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

TREE: Final = "/tree"
"""Where a stage holds the directory that it changes."""


def _json(word: str, key: str) -> Callable[[Mapping[str, Any]], list[str]]:
    return lambda args: [f"{word} {json.dumps(args[key], ensure_ascii=False)}"]


def _pair(word: str) -> Callable[[Mapping[str, Any]], list[str]]:
    return lambda args: [f"{word} {args['name']}={json.dumps(args['value'], ensure_ascii=False)}"]


def _healthcheck(args: Mapping[str, Any]) -> list[str]:
    names = {
        "interval": "interval",
        "timeout": "timeout",
        "startPeriod": "start-period",
        "retries": "retries",
    }
    options = "".join(f"--{flag}={args[name]} " for name, flag in names.items() if args.get(name))
    return [f"HEALTHCHECK {options}CMD {json.dumps(args['args'], ensure_ascii=False)}"]


SHELL: Final[Mapping[str, Callable[[Mapping[str, Any]], list[str]]]] = {
    "withoutFile": lambda args: ["rm", "-rf", args["path"]],
    "withoutDirectory": lambda args: ["rm", "-rf", args["path"]],
    "withoutFiles": lambda args: ["rm", "-rf", *args["paths"]],
    "withSymlink": lambda args: ["ln", "-s", args["target"], args["linkName"]],
}
"""What only a program of the image can do to its files."""
_TOUCH: Final = ("find", TREE, "-exec", "touch", "--no-dereference", "--date")
ON_TREE: Final[Mapping[str, Callable[[Mapping[str, Any]], list[str]]]] = {
    **SHELL,
    "withTimestamps": lambda args: [*_TOUCH, f"@{args['timestamp']}", "{}", "+"],
}
"""The same for a directory, which is no container: it is changed in one."""
INSTRUCTIONS: Final[Mapping[str, Callable[[Mapping[str, Any]], list[str]]]] = {
    "withEnvVariable": _pair("ENV"),
    "withLabel": _pair("LABEL"),
    "withEntrypoint": _json("ENTRYPOINT", "args"),
    "withDefaultArgs": _json("CMD", "args"),
    "withDockerHealthcheck": _healthcheck,
    "withExposedPort": lambda args: [f"EXPOSE {args['port']}/{str(args.get('protocol', 'TCP')).lower()}"],
    "withUser": lambda args: [f"USER {args['name']}"],
    "withWorkdir": lambda args: [f"WORKDIR {args['path']}"],
    "withoutEntrypoint": lambda _args: ["ENTRYPOINT []"],
    "withoutDefaultArgs": lambda _args: ["CMD []"],
}
