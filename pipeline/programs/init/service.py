"""Decide the keys of `[tool.wheelhouse]` from what the files of a project say."""

import re
import shlex
from pathlib import Path
from typing import Any, Final

from init.code import Code
from init.commands import port_of, program_of, simple_words
from init.declared import names_of
from init.facts import App, Guess, Project, Recipe
from init.layout import Layout
from init.workspace import local_code

ADDRESS: Final = "0.0.0.0"  # noqa: S104 - the address inside a container
DEFAULT_PORT: Final = 8000
WEB: Final = ("fastapi", "starlette", "litestar", "quart", "flask", "gradio", "streamlit")
STEMS: Final = ("main", "app", "server", "asgi", "wsgi", "api", "__init__")
"""Names of files that hold the application, the usual first."""
HEALTH: Final = re.compile(
    r"^/(?:[\w-]+/)*(?:health|healthz|health_?check|livez|live|liveness|ping|heartbeat|up|alive|status)/?$"
)
READY: Final = re.compile(r"^/(?:[\w-]+/)*(?:ready|readyz|readiness)/?$")
MODULE: Final = re.compile(r"^[A-Za-z_][\w.]*$")
SECRET: Final = re.compile(r"(?:KEY|TOKEN|PASSWORD|SECRET|CREDENTIALS|PASSWD)$")
SERVERS: Final = {"uvicorn": "uvicorn", "gunicorn": "gunicorn", "streamlit": "streamlit", "celery": "celery"}
BRINGS: Final = {"uvicorn": {"standard", "all"}}
"""Server -> extras of fastapi that bring it."""
WORKERS: Final = frozenset({"arq", "celery", "dramatiq", "huey_consumer", "procrastinate", "rq", "taskiq"})
LOCAL_MODELS: Final = "downloads {name!r} when it runs, which no container without network can; {do}"
DO: Final = {
    "model": "declare it in [tool.wheelhouse.models] by its commit",
    "nltk": "declare it in [tool.wheelhouse.assets]",
    "tiktoken": "declare it in [tool.wheelhouse.assets]",
}


class Service:
    """The table of a service, key by key."""

    def __init__(self, root: Path, project: Project, recipe: Recipe, code: Code) -> None:
        self.root, self.project, self.recipe, self.code = root, project, recipe, code
        self.guesses: list[Guess] = []
        self.app: App | None = None

    def decided(self, command: str) -> list[Guess]:
        """Return all keys, each with its reason; those without key are remarks."""
        self._python()
        words = self._command(command)
        self._packages(words)
        self._tests()
        self._protocol(words)
        self._environment()
        self._debian()
        self._server(words)
        for download in self.code.downloads:
            why = LOCAL_MODELS.format(name=download.name, do=DO[download.kind])
            self._add("", None, download.place, why)
        self.guesses += self.recipe.remarks
        return self.guesses

    def _add(self, key: str, value: Any, place: str, why: str) -> None:
        self.guesses.append(Guess(key=key, value=value, place=place, why=why))

    def _python(self) -> None:
        if self.recipe.python:
            self._add("python", self.recipe.python, "", self.recipe.python_place)
            return
        for name in (".python-version", "runtime.txt"):
            path = self.root / name
            if path.is_file() and (match := re.search(r"3\.\d+", path.read_text("utf-8"))):
                self._add("python", match[0], f"{name}:1", path.read_text("utf-8").strip())
                return
        if match := re.match(r"^(?:==|~=|>=)3\.\d+.*<(?:=)?3\.(\d+)", self.project.requires_python):
            self._add(
                "python", f"3.{int(match[1]) - 1}", "", f"requires-python {self.project.requires_python}"
            )
        elif match := re.match(r"^==(3\.\d+)", self.project.requires_python):
            self._add("python", match[1], "", f"requires-python {self.project.requires_python}")
        else:
            self._add("python", "3.13", "", "no file names a version")

    def _command(self, given: str) -> list[str]:
        words, place, why = self.recipe.command, "", self.recipe.command_place
        shell = self.recipe.shell
        if given:
            words, shell, _ = simple_words(shlex.split(given), {})
            why = "--command"
        self.app = self._best_app()
        if not words and (self.root / "manage.py").is_file() and self.code.settings:
            project = self.code.settings.partition(".")[0]
            words = ["gunicorn", "--bind", f"{ADDRESS}:{DEFAULT_PORT}", f"{project}.wsgi:application"]
            place, why = "manage.py", f"Django, settings {self.code.settings}"
        elif not words and self.app:
            words, place, why = self._start_of(self.app), self.app.place, f"{self.app.kind} application"
        elif not words and self.code.mains:
            path = min(self.code.mains, key=_rank)
            words, place = ["python", path], f"{path}:{self.code.mains[path]}"
            why = 'if __name__ == "__main__"'
        if not words:
            raise SystemExit(
                "no program to start: neither a Dockerfile nor a Procfile names one, and the code has "
                "neither an application object (FastAPI, Starlette, Flask, Celery, Gradio, Streamlit, …) nor "
                '`if __name__ == "__main__"`; expected one of these. '
                'Pass it: init --command="uvicorn demo.main:app --host 0.0.0.0".'
            )
        prefix = f"{self.recipe.workdir.rstrip('/')}/"
        words = [word.removeprefix(prefix) if prefix != "/" else word for word in words]
        self._add("command", words, place, why)
        if shell:
            self._add("shell", True, place, "the command needs it")
        return words

    def _best_app(self) -> App | None:
        apps = sorted(self.code.apps, key=lambda app: (app.kind not in WEB, *_rank(app.path), app.factory))
        for other in apps[1:]:
            if other.kind in WEB and not self.recipe.command:
                self._add("", None, other.place, f"another application, {other.module}:{other.name}")
        return apps[0] if apps else None

    def _start_of(self, app: App) -> list[str]:
        base = Layout(self.root, self.code, ()).base_of_file(app.path, self.code.imports)
        module = app.module.removeprefix(base.replace("/", ".") + ".") if base else app.module
        target = f"{module}:{app.name}"
        if app.kind == "celery":
            return ["celery", "-A", module, "worker", "--loglevel=INFO"]
        if app.kind == "gradio":
            return ["python", "-m", module]
        if app.kind == "streamlit":
            options = ["--server.address", ADDRESS, "--server.port", "8501", "--server.headless", "true"]
            return ["streamlit", "run", app.path, *options]
        if app.kind == "flask":
            return ["gunicorn", "--bind", f"{ADDRESS}:{DEFAULT_PORT}", target + "()" * app.factory]
        return [
            "uvicorn",
            target,
            *(["--factory"] * app.factory),
            "--host",
            ADDRESS,
            "--port",
            str(DEFAULT_PORT),
        ]

    def _packages(self, words: list[str]) -> None:
        layout = Layout(self.root, self.code, words)
        module = _module_of(words)
        entries = layout.copied(self.recipe.copies, self.recipe.workdir)
        place = self.recipe.copies[-1].place if entries else ""
        why = "what it copies" if entries else "folders and files with code, or that the code names"
        if module and not layout.holds(module, entries):
            base = layout.base_of(module)
            if base is not None:
                entries = list(dict.fromkeys([*entries, *layout.children(base)]))
                if base:
                    entries += [one for one in layout.children() if one in layout.named and one != base]
                why = f"{why}; {module} is imported from {base or 'the project'}"
        entries = entries or layout.children()
        members = local_code(self.root)
        for code, name in members.items():
            self._add("", None, f"{code}/", f"the code of {name}, a project of its own, enters by packages")
        above = {code.partition("/")[0] for code in members}
        entries = [entry for entry in entries if entry not in above] + list(members)
        if not entries:
            raise SystemExit(
                "no code: the source has no Python file; expected the folder of a Python project."
            )
        self._add("packages", _distinct(entries), place, why)
        for guess in layout.remarks:
            self.guesses.append(guess)

    def _tests(self) -> None:
        if not (self.root / "tests").is_dir():
            return
        if self.project.tests:
            self._add("tests", "tests", "tests/", "run inside the image by `test`")
        else:
            why = "not run without requirements: declare [dependency-groups] test and the key tests"
            self._add("", None, "tests/", why)

    def _protocol(self, words: list[str]) -> None:
        program = program_of(words)
        port, place = port_of(words), "the command"
        if port is None and self.recipe.port:
            port, place = self.recipe.port, self.recipe.port_place
        kind = self.app.kind if self.app and _starts_app(words, self.app) else ""
        serves = port or kind in WEB or program in {"uvicorn", "gunicorn", "hypercorn", "fastapi"}
        if program in WORKERS or not serves:
            why = (
                "no port: a worker"
                if program in WORKERS
                else "nothing names a port; set port if it serves one"
            )
            self._add("protocol", "none", "", why)
            return
        default = {"gradio": 7860, "streamlit": 8501}.get(kind, DEFAULT_PORT)
        self._add("port", port or default, "", place if port else "the default")
        self._health(kind)

    def _health(self, kind: str) -> None:
        routes = self.code.routes
        found = sorted(
            (path for path in routes if HEALTH.match(path)), key=lambda path: (path.count("/"), path)
        )
        found.sort(key=lambda path: "health" not in path)
        if self.recipe.health:
            self._add("health", self.recipe.health, "", self.recipe.health_place)
        elif found:
            self._add("health", found[0], routes[found[0]], "a route of the code")
        elif kind == "streamlit":
            self._add("health", "/_stcore/health", "", "Streamlit's own")
        elif kind == "gradio" or "/" in routes:
            self._add("health", "/", routes.get("/", ""), "the first page; a cheaper path is better")
        elif kind == "fastapi":
            self._add("health", "/openapi.json", "", "FastAPI's own; a path of the service is better")
        else:
            self._add("protocol", "tcp", "", "no route for health checks was found: the port is probed")
        if ready := next((path for path in sorted(routes) if READY.match(path)), ""):
            self._add("ready", ready, routes[ready], "a route of the code")

    def _environment(self) -> None:
        env = {}
        for name, (value, place) in self.recipe.env.items():
            if SECRET.search(name):
                why = f"{name} is left out: a secret belongs where the image runs, not into it"
                self._add("", None, place, why)
            else:
                env[name] = value
        if self.app and self.app.kind == "gradio":
            env.setdefault("GRADIO_SERVER_NAME", ADDRESS)
        if env:
            places = ", ".join(dict.fromkeys(place for _, place in self.recipe.env.values())) or "Gradio"
            self._add("env", env, "", places)

    def _debian(self) -> None:
        for key, packages in (
            ("os_packages", self.recipe.runtime_packages),
            ("build_packages", self.recipe.build_packages),
        ):
            if packages:
                places = ", ".join(dict.fromkeys(packages.values()))
                self._add(f"variants.{self.variant}.{key}", sorted(packages), "", places)

    @property
    def variant(self) -> str:
        """Return the variant that is declared: what `build` builds, or the one with CUDA."""
        names = names_of(self.project.dependencies)
        cuda = "cuda" in self.recipe.base or bool({"onnxruntime-gpu", "vllm", "faiss-gpu"} & names.keys())
        return "gpu" if cuda else "cpu"

    def _server(self, words: list[str]) -> None:
        """Add the server that the command starts, where nothing declares it."""
        server = SERVERS.get(program_of(words), "")
        names = names_of(self.project.dependencies)
        web = names.get("fastapi")
        brought = web is not None and bool(BRINGS.get(server, set()) & web.extras)
        if not server or server in names or brought:
            return
        if self.project.complete:
            why = f"the command starts {server}, absent from [project]: add it if nothing else brings it"
            self._add("", None, "pyproject.toml", why)
        else:
            self.project.dependencies.append(server)
            self._add("project.dependencies", None, "", f"{server} is added: the command starts it")


def _rank(path: str) -> tuple[int, int, str]:
    """Return how likely a file is the one that starts the service, the least first."""
    stem = path.rpartition("/")[2].removesuffix(".py")
    return (STEMS.index(stem) if stem in STEMS else len(STEMS), path.count("/"), path)


def _module_of(words: list[str]) -> str:
    """Return the module that a command starts; "" where it names a file or none."""
    for number, word in enumerate(words[1:], 1):
        before = words[number - 1]
        first, colon, _ = word.partition(":")
        if MODULE.match(first) and (colon or before in {"-m", "-A", "--app"}) and first not in SERVERS:
            return first
    return ""


def _starts_app(words: list[str], app: App) -> bool:
    return program_of(words) in SERVERS or words[:1] == ["python"] or bool(app)


def _distinct(entries: list[str]) -> list[str]:
    """Return the entries without those whose name another one has already."""
    names: dict[str, str] = {}
    for entry in entries:
        names.setdefault(entry.rstrip("/").rpartition("/")[2], entry)
    return list(names.values())
