"""The project's own programs: written as an installer would, for packages that enter the image."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.build.project_metadata import script_files
from pipeline.config import ProjectTable, ServiceConfig

VARIANTS: dict[str, dict[str, str]] = {"api": {}}


def files(scripts: dict[str, str], packages: tuple[str, ...] = ("src/notes",)) -> dict[str, str]:
    """Return the files for a project with these scripts."""
    service = ServiceConfig.model_validate({"command": ["x"], "packages": packages, "variants": VARIANTS})
    return script_files(ProjectTable(name="field-notes", version="1.2", scripts=scripts), service)


@pytest.mark.parametrize("target", ["notes.cli:main", "notes.cli:Cli.main", "notes.cli : main [extra]"])
def test_a_script_calls_its_function_and_exits_with_what_it_returns(tmp_path, target):
    """Attributes of a class and extras are understood, as in the packaging specification."""
    program = files({"notes": target})["bin/notes"]
    (tmp_path / "notes").mkdir()
    code = "def main(): return 7\nclass Cli:\n    main = staticmethod(main)\n"
    (tmp_path / "notes/cli.py").write_text(code)

    run = subprocess.run([sys.executable, "-c", program], check=False, cwd=tmp_path)

    assert program.startswith("#!/opt/venv/bin/python\n")
    assert run.returncode == 7


def test_metadata_names_the_version_and_the_programs():
    """What importlib.metadata asks for is there, under the escaped name."""
    made = files({"notes": "notes.cli:main"})

    assert "Version: 1.2\n" in made["field_notes-1.2.dist-info/METADATA"]
    assert made["field_notes-1.2.dist-info/entry_points.txt"] == "[console_scripts]\nnotes = notes.cli:main\n"


@pytest.mark.parametrize("scripts", [{}, {"release": "tools.release:main"}])
def test_a_service_without_programs_of_its_own_has_metadata(scripts):
    """A program whose module stays outside is left out; the version can be asked for all the same."""
    assert files(scripts) == {
        "field_notes-1.2.dist-info/METADATA": "Metadata-Version: 2.1\nName: field-notes\nVersion: 1.2\n"
    }


def test_other_entry_points_come_along():
    """Plugins that the project registers in itself are found; those of modules outside are not."""
    service = ServiceConfig.model_validate({"command": ["x"], "packages": ["notes"], "variants": VARIANTS})
    points = {"notes.plugins": {"ants": "notes.ants:Ants", "tool": "tools:Tool"}}
    project = ProjectTable.model_validate({"name": "n", "version": "1", "entry-points": points})
    made = script_files(project, service)

    assert made["n-1.dist-info/entry_points.txt"] == "[notes.plugins]\nants = notes.ants:Ants\n"


def test_a_single_module_is_a_package_too():
    """`packages = ["tool.py"]` and `tool = "tool:main"` belong together."""
    assert "bin/tool" in files({"tool": "tool:main"}, ("src/tool.py",))


def test_the_interpreter_is_that_of_the_image():
    """The room says its path a second time; the two must not part."""
    source = (Path(__file__).parents[2] / "pipeline/build/image.py").read_text()

    assert 'VENV: Final = "/opt/venv"' in source
