"""Read the Dagger API off the installed client: types, fields, arguments, defaults.

The generated client `dagger/client/gen.py` is parsed as text, so the API follows
whatever version is installed, nothing of it is copied here, and the client is
not imported (that alone takes 0.4-0.7 s).
"""

import ast
import hashlib
import importlib.util
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

FORMAT: Final = 3
"""Raised when the cached table changes shape."""

SCALARS: Final = {"str": "String", "int": "Int", "float": "Float", "bool": "Boolean"}
INTERFACES: Final = {
    "Node": {"id": "ID!"},
    "Syncer": {"id": "ID!", "sync": "ID!"},
    "Exportable": {"id": "ID!"},
}


@dataclass(frozen=True, slots=True)
class ArgSpec:
    """Describe one argument of a field."""

    type: str
    """GraphQL type such as `[String!]!`."""
    default: Any = None
    """Value when the caller sends none; enum members by name."""
    has_default: bool = False


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """Describe one field of an object type."""

    type: str
    """GraphQL type of the answer; `Void` for none."""
    args: Mapping[str, ArgSpec] = field(default_factory=dict)
    doc: str = ""
    python: str = ""
    """The client's method name."""
    arg_docs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ApiTable:
    """Hold the whole API of one client version."""

    fingerprint: str
    objects: Mapping[str, Mapping[str, FieldSpec]]
    inputs: Mapping[str, Mapping[str, ArgSpec]]
    enums: Mapping[str, tuple[str, ...]]
    scalars: tuple[str, ...]

    def field(self, type_name: str, field_name: str) -> FieldSpec:
        """Return one field; raises KeyError for an unknown one."""
        return self.objects[type_name][field_name]


def load_api(cache_dir: Path | None = None) -> ApiTable:
    """Return the installed client's API, from the cache when it is of the same file.

    Raises ModuleNotFoundError when dagger-io is not installed.
    """
    source = client_source()
    stat = source.stat()
    stamp = hashlib.sha256(f"{FORMAT} {source} {stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()[:24]
    cached = cache_dir / f"api-{stamp}.json" if cache_dir else None
    if cached and cached.exists():
        try:
            return _from_json(json.loads(cached.read_text()))
        except (ValueError, KeyError, TypeError):
            cached.unlink(missing_ok=True)
    table = read_api(source.read_text(), stamp)
    if cached:
        cached.parent.mkdir(parents=True, exist_ok=True)
        partial = cached.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps(_to_json(table)))
        partial.rename(cached)
    return table


def client_source() -> Path:
    """Return the path of the generated client without importing it."""
    spec = importlib.util.find_spec("dagger")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(
            "dagger-io is not installed in this Python; install the extra `engine` of wheelhouse"
        )
    return Path(spec.submodule_search_locations[0]) / "client" / "gen.py"


def read_api(text: str, fingerprint: str = "") -> ApiTable:
    """Derive the table from the text of a generated client."""
    objects: dict[str, dict[str, FieldSpec]] = {}
    inputs: dict[str, dict[str, ArgSpec]] = {}
    enums: dict[str, tuple[str, ...]] = {}
    scalars: list[str] = ["ID"]
    classes = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    kinds = {node.name: _base(node) for node in classes}
    for node in classes:
        match kinds[node.name]:
            case "Scalar":
                scalars.append(node.name)
            case "Enum":
                enums[node.name] = tuple(_members(node))
            case "Input":
                inputs[node.name] = dict(_input_fields(node, kinds))
            case "Type" | "Root" if not node.name.startswith("_"):
                named = _SelfNamed(node.name).visit(node)
                objects[node.name] = dict(_object_fields(named, kinds))
    for name, fields in objects.items():
        if name != "Query":
            fields["id"] = FieldSpec("ID!", python="id")
    return ApiTable(fingerprint, objects, inputs, enums, tuple(scalars))


def _base(node: ast.ClassDef) -> str:
    return ast.unparse(node.bases[0]) if node.bases else ""


class _SelfNamed(ast.NodeTransformer):
    """Replace the annotation `Self` by the name of the class it stands in."""

    def __init__(self, owner: str) -> None:
        self.owner = owner

    def visit_Name(self, node: ast.Name) -> ast.Name:
        """Rename one reference."""
        return ast.copy_location(ast.Name(self.owner, node.ctx), node) if node.id == "Self" else node


def _members(node: ast.ClassDef) -> Iterator[str]:
    """Yield canonical member names: an alias repeats an earlier value."""
    seen: dict[str, str] = {}
    for line in node.body:
        if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
            value = ast.literal_eval(line.value)
            if value not in seen:
                seen[value] = line.targets[0].id
                yield line.targets[0].id


def _input_fields(node: ast.ClassDef, kinds: Mapping[str, str]) -> Iterator[tuple[str, ArgSpec]]:
    for line in node.body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            default = _value(line.value) if line.value is not None else None
            yield (
                line.target.id,
                ArgSpec(_type(line.annotation, kinds, as_input=True), default, line.value is not None),
            )


def _object_fields(node: ast.ClassDef, kinds: Mapping[str, str]) -> Iterator[tuple[str, FieldSpec]]:
    for method in node.body:
        if not isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        call = _selection(method)
        if call is not None:
            name, answer = call
            doc, arg_docs = _docs(ast.get_docstring(method) or "")
            yield (
                name,
                FieldSpec(
                    _answer_type(node, method, answer, kinds),
                    _args(method, kinds),
                    doc,
                    method.name,
                    {arg.arg: arg_docs.get(arg.arg, "") for arg in _parameters(method)},
                ),
            )


def _selection(method: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[str, ast.Call] | None:
    """Return the GraphQL field that a method selects and the call that reads the answer."""
    name, answer = None, None
    for found in ast.walk(method):
        if isinstance(found, ast.Call) and isinstance(found.func, ast.Attribute):
            if found.func.attr == "_select" and isinstance(found.args[0], ast.Constant):
                name = str(found.args[0].value)
            elif found.func.attr == "execute_sync":
                name, answer = str(ast.literal_eval(found.args[1])), found
            elif found.func.attr in ("execute", "execute_object_list"):
                answer = found
    if name is None:
        return None
    return name, answer or ast.Call(ast.Name("lazy"), [], [])


def _parameters(method: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.arg]:
    return [arg for arg in (*method.args.args, *method.args.kwonlyargs) if arg.arg != "self"]


def _args(method: ast.FunctionDef | ast.AsyncFunctionDef, kinds: Mapping[str, str]) -> dict[str, ArgSpec]:
    hints = {arg.arg: arg.annotation for arg in _parameters(method)}
    specs: dict[str, ArgSpec] = {}
    for found in ast.walk(method):
        if isinstance(found, ast.Call) and isinstance(found.func, ast.Name) and found.func.id == "Arg":
            name = str(ast.literal_eval(found.args[0]))
            parameter = next(
                n.id for n in ast.walk(found.args[1]) if isinstance(n, ast.Name) and n.id in hints
            )
            has_default = len(found.args) > 2  # noqa: PLR2004 - Arg(name, value[, default])
            default = _value(found.args[2]) if has_default else None
            annotation = hints[parameter]
            assert annotation is not None  # noqa: S101 - every generated parameter is annotated
            specs[name] = ArgSpec(
                _type(annotation, kinds, as_input=True, optional=has_default), default, has_default
            )
    return specs


def _value(node: ast.expr) -> Any:
    """Return a default; an enum member becomes its name."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return ast.literal_eval(node)


def _answer_type(
    owner: ast.ClassDef,
    method: ast.FunctionDef | ast.AsyncFunctionDef,
    answer: ast.Call,
    kinds: Mapping[str, str],
) -> str:
    reader = answer.func.attr if isinstance(answer.func, ast.Attribute) else "lazy"
    if reader == "execute_sync":
        return "ID!"
    if reader == "execute_object_list":
        return f"[{ast.unparse(answer.args[0])}!]!"
    if reader == "execute":
        return _type(answer.args[0], kinds) if answer.args else "Void"
    returns = ast.unparse(method.returns).strip("'\"") if method.returns else owner.name
    return f"{returns}!"


def _type(node: ast.expr, kinds: Mapping[str, str], *, as_input: bool = False, optional: bool = False) -> str:
    """Translate a Python annotation into a GraphQL type."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        node = ast.parse(node.value, mode="eval").body
    if isinstance(node, ast.BinOp):  # X | None
        return _type(node.left, kinds, as_input=as_input, optional=True)
    if isinstance(node, ast.Subscript):  # list[X]
        inner = f"[{_type(node.slice, kinds, as_input=as_input)}]"
    else:
        name = ast.unparse(node)
        inner = SCALARS.get(name, name)
        if name == "Type" or (as_input and kinds.get(name) == "Protocol"):
            inner = "ID"  # any object with an id
        elif as_input and kinds.get(name) in ("Type", "Root"):
            inner = f"{name}ID"
    return inner if optional else f"{inner}!"


def _docs(text: str) -> tuple[str, dict[str, str]]:
    """Split a generated docstring into its description and its parameters' sentences."""
    head, _, rest = text.partition("\nParameters\n")
    for title in ("\nReturns\n", "\nRaises\n", "\nNote\n", "\nExample\n"):
        head = head.partition(title)[0]
    if head.startswith(("Returns\n", "Note\n", "Raises\n")):
        head = ""
    body = rest.partition("\nReturns\n")[0].partition("\nRaises\n")[0]
    docs: dict[str, str] = {}
    current = ""
    for line in body.splitlines():
        if line and not line.startswith((" ", "-")) and line.endswith(":"):
            current = line[:-1]
        elif current and line.startswith(" "):
            docs[current] = f"{docs.get(current, '')} {line.strip()}".strip()
    return head.strip(), docs


def _to_json(table: ApiTable) -> dict[str, Any]:
    def arg(spec: ArgSpec) -> list[Any]:
        return [spec.type, spec.default, spec.has_default]

    def args(specs: Mapping[str, ArgSpec]) -> dict[str, Any]:
        return {name: arg(spec) for name, spec in specs.items()}

    objects = {
        name: {f: [s.type, args(s.args), s.doc, s.python, dict(s.arg_docs)] for f, s in fields.items()}
        for name, fields in table.objects.items()
    }
    return {
        "fingerprint": table.fingerprint,
        "objects": objects,
        "inputs": {name: args(fields) for name, fields in table.inputs.items()},
        "enums": table.enums,
        "scalars": table.scalars,
    }


def _from_json(data: Mapping[str, Any]) -> ApiTable:
    def args(specs: Mapping[str, Any]) -> dict[str, ArgSpec]:
        return {name: ArgSpec(*spec) for name, spec in specs.items()}

    objects = {
        name: {f: FieldSpec(s[0], args(s[1]), s[2], s[3], s[4]) for f, s in fields.items()}
        for name, fields in data["objects"].items()
    }
    return ApiTable(
        data["fingerprint"],
        objects,
        {name: args(fields) for name, fields in data["inputs"].items()},
        {name: tuple(members) for name, members in data["enums"].items()},
        tuple(data["scalars"]),
    )
