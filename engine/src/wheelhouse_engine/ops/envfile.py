"""EnvFile: variables of a `.env` text, and what a container takes from one."""

import re
from dataclasses import replace
from typing import Final

from wheelhouse_engine.engine import Engine
from wheelhouse_engine.errors import EngineError
from wheelhouse_engine.files import write_file
from wheelhouse_engine.graph import Op, digest_of
from wheelhouse_engine.handlers import operation
from wheelhouse_engine.ops.config import with_env
from wheelhouse_engine.ops.values import many
from wheelhouse_engine.states import ContainerState, EnvFileState, FileState

LINE: Final = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)", re.DOTALL)
REFERENCE: Final = re.compile(r"\\(.)|\$\{(\w+)\}|\$(\w+)", re.DOTALL)


def parse(text: str) -> EnvFileState:
    """Read `NAME=value` lines; empty lines and comments are left out. Raises EngineError with the line."""
    entries: list[tuple[str, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = LINE.fullmatch(line)
        if found is None:
            raise EngineError(f"env file line {number}: expected NAME=value")
        entries.append((found.group(1), found.group(2)))
    return EnvFileState(tuple(entries))


def values(state: EnvFileState) -> dict[str, str]:
    """Return every variable's value: quotes off, references to variables above it replaced."""
    known: dict[str, str] = {}
    for name, raw in state.entries:
        known[name] = _value(raw.strip(), known)
    return known


def _value(raw: str, known: dict[str, str]) -> str:
    if len(raw) > 1 and raw[0] == raw[-1] == "'":
        return raw[1:-1]
    text = raw[1:-1] if len(raw) > 1 and raw[0] == raw[-1] == '"' else raw
    return REFERENCE.sub(lambda m: m.group(1) or known.get(m.group(2) or m.group(3), ""), text)


async def _state(engine: Engine, op: Op) -> EnvFileState:
    state: EnvFileState = await engine.parent(op)
    return state


@operation("Query.envFile")
async def env_file(_engine: Engine, _op: Op) -> EnvFileState:
    """Start with no variables."""
    return EnvFileState()


@operation("File.asEnvFile")
async def as_env_file(engine: Engine, op: Op) -> EnvFileState:
    """Read a file as `NAME=value` lines."""
    source: FileState = await engine.parent(op)
    return parse((await engine.path_of(source)).read_text(errors="replace"))


@operation("EnvFile.withVariable")
async def with_variable(engine: Engine, op: Op) -> EnvFileState:
    """Add a variable; the last of a name counts."""
    return EnvFileState((*(await _state(engine, op)).entries, (op.args["name"], op.args["value"])))


@operation("EnvFile.withoutVariable")
async def without_variable(engine: Engine, op: Op) -> EnvFileState:
    """Remove every occurrence of a variable."""
    entries = (await _state(engine, op)).entries
    return EnvFileState(tuple(entry for entry in entries if entry[0] != op.args["name"]))


@operation("EnvFile.namespace")
async def namespace(engine: Engine, op: Op) -> EnvFileState:
    """Keep the variables with a prefix, and take it off; names count in any case."""
    prefix = op.args["prefix"].upper()
    entries = (await _state(engine, op)).entries
    return EnvFileState(tuple((n[len(prefix) :], v) for n, v in entries if n.upper().startswith(prefix)))


@operation("EnvFile.get")
async def get(engine: Engine, op: Op) -> str:
    """Return a variable's value; empty when there is none."""
    state = await _state(engine, op)
    return (dict(state.entries) if op.args.get("raw") else values(state)).get(op.args["name"], "")


@operation("EnvFile.exists")
async def exists(engine: Engine, op: Op) -> bool:
    """Say whether a variable is there."""
    return any(name == op.args["name"] for name, _ in (await _state(engine, op)).entries)


@operation("EnvFile.variables")
async def variables(engine: Engine, op: Op) -> list[Op]:
    """List the variables, each once."""
    state = await _state(engine, op)
    listed = dict(state.entries) if op.args.get("raw") else values(state)
    return many(engine, op, [{"name": name, "value": value} for name, value in listed.items()])


@operation("EnvFile.asFile")
async def as_file(engine: Engine, op: Op) -> FileState:
    """Write the variables as `NAME=value` lines."""
    state = await _state(engine, op)
    text = "".join(f"{name}={value}\n" for name, value in state.entries)
    tree = await engine.tree(
        digest_of("env file", text), lambda made: write_file(made, ".env", text.encode(), 0o644)
    )
    return FileState(tree, "/.env")


@operation("Container.withEnvFileVariables")
async def with_env_file_variables(engine: Engine, op: Op) -> ContainerState:
    """Set every variable of an env file."""
    state = await engine.container(op)
    source: EnvFileState = await engine.evaluate(op.args["source"])
    env = state.config.env
    for name, value in values(source).items():
        env = with_env(env, name, value)
    return replace(state, config=replace(state.config, env=env))
