"""Derive the API's table from the text of a generated client."""

import ast
import gc
from collections.abc import Iterator, Mapping
from typing import Any, Final

from wheelhouse_engine.apitable import ApiTable, ArgSpec, FieldSpec

SCALARS: Final = {"str": "String", "int": "Int", "float": "Float", "bool": "Boolean"}


def read_api(text: str, fingerprint: str = "") -> ApiTable:
    """Derive the table from the text of a generated client."""
    objects: dict[str, dict[str, FieldSpec]] = {}
    inputs: dict[str, dict[str, ArgSpec]] = {}
    enums: dict[str, tuple[str, ...]] = {}
    scalars: list[str] = ["ID"]
    classes = [node for node in _parsed(text).body if isinstance(node, ast.ClassDef)]
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


def _parsed(text: str) -> ast.Module:
    """Parse without garbage collection.

    CPython keeps the depth of one parse at a time. A finaliser that formats a traceback, as asyncio's
    tasks do, parses too, and the outer parse then ends with a SystemError (gh-106905).
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(text)
    finally:
        if enabled:
            gc.enable()


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
