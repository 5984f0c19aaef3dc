"""Read the Python code of a project: application objects, routes, names of files, downloads."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from init.facts import App

SKIPPED: Final = frozenset(
    {
        "test",
        "tests",
        "docs",
        "doc",
        "examples",
        "example",
        "notebooks",
        "node_modules",
        "venv",
        "env",
        "build",
        "dist",
        "site-packages",
        "__pycache__",
        "benchmarks",
    }
)
"""Folders that hold no part of a running service."""
NOT_MODULES: Final = frozenset({"setup.py", "conftest.py", "noxfile.py", "tasks.py", "fabfile.py"})
CLASSES: Final = {
    "fastapi.FastAPI": "fastapi",
    "starlette.applications.Starlette": "starlette",
    "litestar.Litestar": "litestar",
    "quart.Quart": "quart",
    "flask.Flask": "flask",
    "celery.Celery": "celery",
    "gradio.Blocks": "gradio",
    "gradio.Interface": "gradio",
    "gradio.ChatInterface": "gradio",
    "gradio.TabbedInterface": "gradio",
}
"""Class of an application object -> framework."""
DOWNLOADS: Final = {
    "nltk.download": "nltk",
    "tiktoken.get_encoding": "tiktoken",
    "tiktoken.encoding_for_model": "tiktoken",
    "sentence_transformers.SentenceTransformer": "model",
    "sentence_transformers.CrossEncoder": "model",
    "transformers.pipeline": "model",
    "huggingface_hub.snapshot_download": "model",
    "huggingface_hub.hf_hub_download": "model",
}
"""Call that fetches something at run time -> what it fetches."""
ROUTES: Final = frozenset(
    {"get", "route", "api_route", "Route", "path", "add_api_route", "add_url_rule", "head"}
)


@dataclass(slots=True, kw_only=True)
class Download:
    """A call that fetches data when the service runs."""

    kind: str
    name: str
    place: str


@dataclass(slots=True, kw_only=True)
class Code:
    """What the code of a project says."""

    apps: list[App] = field(default_factory=list)
    routes: dict[str, str] = field(default_factory=dict)
    """Path of a URL -> place."""
    texts: set[str] = field(default_factory=set)
    """Strings of the code."""
    imports: dict[str, str] = field(default_factory=dict)
    """First name of each import -> place."""
    downloads: list[Download] = field(default_factory=list)
    mains: dict[str, int] = field(default_factory=dict)
    """Path of a file with `if __name__ == "__main__"` -> line."""
    settings: str = ""
    """DJANGO_SETTINGS_MODULE of manage.py."""
    unread: list[str] = field(default_factory=list)
    """Files that are not valid Python."""


def read_code(root: Path) -> Code:
    """Return what the Python files below a folder say; tests and examples are not read."""
    code = Code()
    for path in python_files(root):
        relative = path.relative_to(root).as_posix()
        try:
            tree = ast.parse(path.read_bytes(), relative)
        except (SyntaxError, ValueError):
            code.unread.append(relative)
            continue
        _File(code, relative).read(tree)
    return code


def python_files(root: Path) -> Iterator[Path]:
    """Yield the modules of a project, those near the root first."""
    folders = [root]
    while folders:
        folder = folders.pop(0)
        for path in sorted(folder.iterdir()):
            hidden = path.name.startswith(".") or path.name in SKIPPED or path.name.endswith(".egg-info")
            if path.is_symlink() or hidden:
                continue
            if path.is_dir() and not (path / "pyvenv.cfg").exists():
                folders.append(path)
            elif path.suffix == ".py" and path.name not in NOT_MODULES and not path.name.startswith("test_"):
                yield path


def module_of(path: str) -> str:
    """Return the dotted name of a module's file."""
    parts = path.removesuffix(".py").split("/")
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


class _File:
    """One file on its way through `ast`."""

    def __init__(self, code: Code, path: str) -> None:
        self.code, self.path = code, path
        self.names: dict[str, str] = {}

    def read(self, tree: ast.Module) -> None:
        """Add to `code` what the file says."""
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                self._import(node)
            elif isinstance(node, ast.ImportFrom):
                self._import_from(node)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                self.code.texts.add(node.value)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                self._call(node)
        for node in tree.body:
            self._statement(node)

    def _import(self, node: ast.Import) -> None:
        for alias in node.names:
            first = alias.name.partition(".")[0]
            self.names[alias.asname or first] = alias.name if alias.asname else first
            self.code.imports.setdefault(first, f"{self.path}:{node.lineno}")

    def _import_from(self, node: ast.ImportFrom) -> None:
        if node.level or not node.module:
            return
        self.code.imports.setdefault(node.module.partition(".")[0], f"{self.path}:{node.lineno}")
        for alias in node.names:
            self.names[alias.asname or alias.name] = f"{node.module}.{alias.name}"

    def _full_name(self, node: ast.expr) -> str:
        if isinstance(node, ast.Name):
            return self.names.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            before = self._full_name(node.value)
            return f"{before}.{node.attr}" if before else ""
        return ""

    def _kind(self, node: ast.AST | None) -> str:
        return CLASSES.get(self._full_name(node.func), "") if isinstance(node, ast.Call) else ""

    def _call(self, node: ast.Call) -> None:
        name = self._full_name(node.func)
        first = node.args[0] if node.args else None
        text = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""
        place = f"{self.path}:{node.lineno}"
        last = name.rpartition(".")[2] or (node.func.attr if isinstance(node.func, ast.Attribute) else "")
        if text and last in ROUTES and (text.startswith("/") or last == "path"):
            self.code.routes.setdefault(f"/{text.lstrip('/')}", place)
        kind = DOWNLOADS.get(name, "model" if last == "from_pretrained" else "")
        if kind and text:
            self.code.downloads.append(Download(kind=kind, name=text, place=place))
        if name == "os.environ.setdefault" and text == "DJANGO_SETTINGS_MODULE" and len(node.args) > 1:
            value = node.args[1]
            if isinstance(value, ast.Constant) and self.path == "manage.py":
                self.code.settings = str(value.value)

    def _statement(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if (kind := self._kind(node.value)) and isinstance(targets[0], ast.Name):
                self._app(kind, targets[0].id, node.lineno)
        elif isinstance(node, ast.With) and (kind := self._kind(node.items[0].context_expr)):
            variable = node.items[0].optional_vars
            if isinstance(variable, ast.Name):
                self._app(kind, variable.id, node.lineno)
        elif isinstance(node, ast.FunctionDef) and not _needs_arguments(node):
            kinds = [kind for inner in ast.walk(node) if (kind := self._kind(inner))]
            if kinds and any(isinstance(inner, ast.Return) and inner.value for inner in ast.walk(node)):
                self._app(kinds[0], node.name, node.lineno, factory=True)
        elif isinstance(node, ast.If) and "__main__" in ast.dump(node.test):
            self.code.mains[self.path] = node.lineno
        if self.path.rpartition("/")[2] in {"streamlit_app.py", "app.py", "main.py"} and (
            "streamlit" in {full.partition(".")[0] for full in self.names.values()}
        ):
            self._app("streamlit", "", 1)

    def _app(self, kind: str, name: str, line: int, *, factory: bool = False) -> None:
        app = App(
            kind=kind, module=module_of(self.path), name=name, factory=factory, path=self.path, line=line
        )
        if app not in self.code.apps:
            self.code.apps.append(app)


def _needs_arguments(node: ast.FunctionDef) -> bool:
    arguments = node.args
    positional = len(arguments.args) + len(arguments.posonlyargs) - len(arguments.defaults)
    return positional > 0 or any(default is None for default in arguments.kw_defaults)
