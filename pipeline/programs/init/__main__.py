"""Write pyproject.toml of a project and say what was guessed, and why."""

import argparse
import tomllib
from pathlib import Path
from typing import Final

from init.code import Code, read_code
from init.commands import simple_command
from init.declared import read_project
from init.dockerfile import read_dockerfile
from init.document import new_document
from init.facts import Guess, Project, Recipe
from init.service import Service

DOCKERFILES: Final = ("Dockerfile", "docker/Dockerfile", "Containerfile", "deploy/Dockerfile")
GENERIC: Final = frozenset({"api", "app", "backend", "code", "main", "server", "service", "src", "web"})


def main() -> None:
    """Read the folder, decide, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--command", default="")
    parser.add_argument("--force", action="store_true")
    options = parser.parse_args()
    path = options.source / "pyproject.toml"
    before = path.read_text("utf-8") if path.is_file() else ""
    declared = "wheelhouse" in _tables(before).get("tool", {})
    project = read_project(options.source)
    if declared and project.complete and not options.force:
        raise SystemExit(
            "pyproject.toml has [project] and [tool.wheelhouse] already; expected a project without one of "
            "them. Edit it, or pass --force to write [tool.wheelhouse] again."
        )
    guesses: list[Guess] = []
    variant = "cpu"
    if not declared or options.force:
        code = read_code(options.source)
        recipe = read_recipe(options.source)
        _installed(project, recipe)
        service = Service(options.source, project, recipe, code)
        guesses, variant = service.decided(options.command), service.variant
        guesses += [Guess(key="", place=name, why="not valid Python, not read") for name in code.unread]
        _name(project, options.source, code)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "pyproject.toml").write_text(new_document(before, project, guesses, variant), "utf-8")
    report = "".join(f"{guess.line}\n" for guess in (*project.guesses, *guesses))
    (options.out / "guesses.txt").write_text(report, "utf-8")


def read_recipe(root: Path) -> Recipe:
    """Return what Dockerfile and Procfile say; the Procfile counts where the other starts nothing."""
    name = next((name for name in DOCKERFILES if (root / name).is_file()), "")
    recipe = read_dockerfile((root / name).read_text("utf-8"), name) if name else Recipe()
    if not recipe.command and (root / "Procfile").is_file():
        lines = (root / "Procfile").read_text("utf-8").splitlines()
        processes = {line.partition(":")[0].strip(): (number, line) for number, line in enumerate(lines, 1)}
        chosen = next((kind for kind in ("web", "worker") if kind in processes), "")
        if chosen:
            number, line = processes[chosen]
            recipe.command_place = f"Procfile:{number}: {chosen}"
            simple = simple_command(line.partition(":")[2].strip(), {})
            recipe.command, recipe.shell = simple.words, simple.shell
            remarks = (Guess(key="command", place=f"Procfile:{number}", why=why) for why in simple.remarks)
            recipe.remarks += remarks
    return recipe


def _installed(project: Project, recipe: Recipe) -> None:
    """Take the requirements that a Dockerfile installs by name, where no file declares any."""
    if project.complete or project.dependencies or not recipe.requirements:
        return
    project.dependencies = list(recipe.requirements)
    places = ", ".join(dict.fromkeys(recipe.requirements.values()))
    project.guesses.append(
        Guess(key="dependencies", place=places, why=f"{len(recipe.requirements)} requirements")
    )


def _name(project: Project, root: Path, code: Code) -> None:
    if project.name or project.complete:
        return
    folders = [path.name for path in sorted(root.iterdir()) if (path / "__init__.py").is_file()]
    firsts = [app.module.partition(".")[0] for app in code.apps]
    names = [name for name in (*firsts, *folders) if name not in GENERIC]
    project.name = names[0].replace("_", "-") if names else "service"
    why = f"{project.name!r}: no file names the project"
    project.guesses.append(Guess(key="project.name", why=why))


def _tables(text: str) -> dict[str, dict[str, object]]:
    return tomllib.loads(text)


if __name__ == "__main__":
    main()
