"""Read what the source of a Python module imports and which strings it names, without running it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

FALLBACKS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException", "OSError"}
"""Exceptions whose handler means that the code has another way when an import fails."""
Marks = tuple[bool, bool]
"""(lazy, guarded) of a place in the source."""


@dataclass(frozen=True)
class Import:
    """One module that a source imports, or may: of `from a import b` both a and a.b are listed."""

    name: str
    lazy: bool
    """Imported by a function, when it is called."""
    guarded: bool
    """Below a `try` that catches the failure."""


@dataclass(frozen=True)
class Reading:
    """What one source names."""

    imports: frozenset[Import]
    strings: frozenset[str]
    """Every string constant; of a formatted string, its constant parts."""


def read_source(source: bytes, module: str, *, package: bool) -> Reading:
    """Return what a source names; nothing when it does not parse, because then nobody imports it.

    Args:
        source: text of the module.
        module: its dotted name.
        package: whether it is an `__init__`.

    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return Reading(frozenset(), frozenset())
    parts = module.split(".")
    inside = parts if package else parts[:-1]
    imports: set[Import] = set()
    strings: set[str] = set()
    for node, (lazy, guarded) in _walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports |= {Import(name, lazy, guarded) for name in _names(node, inside)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            strings.add(node.value)
    return Reading(frozenset(imports), frozenset(strings))


def _walk(tree: ast.AST) -> Iterator[tuple[ast.AST, Marks]]:
    """Yield every node that runs, with its marks; what only type checkers read is left out."""
    waiting: list[tuple[ast.AST, Marks]] = [(tree, (False, False))]
    while waiting:
        node, (lazy, guarded) = waiting.pop()
        yield node, (lazy, guarded)
        if isinstance(node, ast.If) and _for_type_checkers(node.test):
            waiting += [(child, (lazy, guarded)) for child in node.orelse]
            continue
        if isinstance(node, ast.Try) and any(_catches(handler) for handler in node.handlers):
            waiting += [(child, (lazy, True)) for child in node.body]
            rest = [*node.handlers, *node.orelse, *node.finalbody]
            waiting += [(child, (lazy, guarded)) for child in rest]
            continue
        lazy = lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        waiting += [(child, (lazy, guarded)) for child in ast.iter_child_nodes(node)]


def _for_type_checkers(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return name == "TYPE_CHECKING"


def _catches(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or getattr(kind, "id", "") in FALLBACKS for kind in kinds)


def _names(node: ast.Import | ast.ImportFrom, inside: list[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    above = inside[: len(inside) - node.level + 1] if node.level else []
    start = ".".join([*above, *([node.module] if node.module else [])])
    if start:
        yield start
        yield from (f"{start}.{alias.name}" for alias in node.names if alias.name != "*")
