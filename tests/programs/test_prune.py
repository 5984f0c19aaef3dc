"""Pruning: what the rules match and nothing needs is gone, the rest stays, and RECORD lists what is there."""

import base64
import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parents[2] / "pipeline/programs"
RUN = """
import json, sys
from pathlib import Path
import prune
venv, site = Path(sys.argv[1]), Path(sys.argv[2])
keep = frozenset(word for word in sys.argv[3:] if not word.startswith("drop="))
drop = frozenset(word.removeprefix("drop=") for word in sys.argv[3:] if word.startswith("drop="))
program = Path(prune.__file__).with_name("import_modules.py")
importer = prune.import_by(Path(sys.executable), program, site)
try:
    report = prune.prune(venv, site, keep, importer, drop)
except ValueError as error:
    sys.exit(str(error))
prune.write_report(report, venv / "pruned.json")
"""
NO_SYMBOLS = ("symbols",)


class Environment:
    """One environment with a distribution called demo."""

    def __init__(self, venv: Path) -> None:
        self.venv = venv
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        self.site = venv / "lib" / version / "site-packages"
        self.info = self.site / "demo-1.dist-info"
        self.info.mkdir(parents=True)
        (venv / "bin").mkdir()
        (venv / "bin" / "python").symlink_to(sys.executable)
        self.said = ""

    def write(self, files: dict[str, str | bytes]) -> None:
        """Write files below site-packages and list them in RECORD."""
        for name, text in files.items():
            path = self.site / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with (self.info / "RECORD").open("a") as record:
            record.writelines(f"{name},sha256=old,1\n" for name in files)

    def prune(self, *keep: str) -> dict[str, dict[str, list[str]]]:
        """Prune; return the report."""
        command = [sys.executable, "-c", RUN, str(self.venv), str(self.site), *keep]
        environment = {**os.environ, "PYTHONPATH": f"{PROGRAMS}:{self.site}"}
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        self.said = done.stdout
        report: dict[str, dict[str, list[str]]] = json.loads((self.venv / "pruned.json").read_text())
        return report

    def left(self) -> set[str]:
        """Return the files that are still there, those of dist-info left out."""
        files = (path for path in self.site.rglob("*") if path.is_file() and path.parent != self.info)
        return {path.relative_to(self.site).as_posix() for path in files if path.suffix != ".pyc"}

    def record(self) -> dict[str, list[str]]:
        """Return RECORD: file -> hash, size."""
        with (self.info / "RECORD").open(newline="") as stream:
            return {row[0]: row[1:] for row in csv.reader(stream)}


@pytest.fixture
def demo():
    """Make an empty environment where everyone may read: modules are imported by a user without rights."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Environment(Path(folder) / "venv")


def test_what_no_service_opens_is_dropped(demo):
    """A second runtime, tests, headers and type stubs go with their folders; modules stay."""
    kept = {"onnxruntime/__init__.py": "", "onnxruntime/capi/state.so": "x"}
    dropped = (
        "onnxruntime/capi/libonnxruntime.so.1",
        "demo/tests/test_a.py",
        "demo/a.h",
        "demo/__init__.pyi",
    )
    demo.write({**kept, **dict.fromkeys(dropped, "def test_a(): pass\n")})

    report = demo.prune(*NO_SYMBOLS)

    assert demo.left() == set(kept)
    assert sorted(path for entry in report.values() for path in entry["dropped"]) == sorted(dropped)
    assert set(demo.record()) == set(kept)
    assert not (demo.site / "demo").exists()


def test_a_rule_is_switched_off_by_its_name(demo):
    """A service that needs what a rule drops keeps it."""
    demo.write({"onnxruntime/capi/libonnxruntime.so.1": "x"})

    demo.prune(*NO_SYMBOLS, "onnxruntime-c-library")

    assert demo.left() == {"onnxruntime/capi/libonnxruntime.so.1"}


def test_an_unknown_rule_is_refused(demo):
    """A misspelt rule is named, and nothing is dropped."""
    demo.write({"demo/tests/a.py": ""})

    with pytest.raises(AssertionError, match="keep names \\['onnxruntime'\\]"):
        demo.prune("onnxruntime")
    assert demo.left() == {"demo/tests/a.py"}


def test_a_service_can_ask_for_a_rule_that_breaks_a_module(demo):
    """The rule applies, and the module that it breaks is printed."""
    lazy = "def __getattr__(name):\n    import numpy.f2py as f2py\n    return f2py\n"
    user = {"numpy/matlib.py": "import numpy.f2py\n"}
    demo.write({"numpy/__init__.py": lazy, "numpy/f2py/__init__.py": "", **user})

    demo.prune(*NO_SYMBOLS, "drop=numpy-f2py")

    assert demo.left() == {"numpy/__init__.py", "numpy/matlib.py"}
    assert "broken by drop: import numpy.matlib: " in demo.said


def test_an_unknown_rule_to_drop_is_refused(demo):
    """A misspelt rule is named, and nothing is dropped."""
    demo.write({"demo/tests/a.py": ""})

    with pytest.raises(AssertionError, match="drop names \\['f2py'\\]"):
        demo.prune("drop=f2py")
    assert demo.left() == {"demo/tests/a.py"}


def test_a_pattern_does_not_cross_folders(demo):
    """A package whose name begins with test_ is no test, and no test function makes no test of a module."""
    files = {"demo/test_run/api.py": "def test_x(): pass\n", "demo/test_utils.py": "def helper(): pass\n"}
    demo.write({**files, "demo/test_a.py": "def test_a(): pass\n"})

    demo.prune(*NO_SYMBOLS)

    assert demo.left() == set(files)


USES = {
    "at import": ("demo/__init__.py", "from demo.tests import kit\n"),
    "inside a function": ("demo/__init__.py", "def f():\n    from .tests.kit import a\n"),
    "through a string": ("demo/__init__.py", "NAMES = {'a': 'demo.tests.kit'}\n"),
    "through a relative string": ("demo/__init__.py", "NAMES = {'a': '.tests.kit'}\n"),
    "as an entry point": ("demo-1.dist-info/entry_points.txt", "[some.plugins]\na = demo.tests.kit:run\n"),
}


@pytest.mark.parametrize(("user", "text"), USES.values(), ids=USES)
def test_a_module_that_kept_code_imports_stays(demo, user, text):
    """The module, its package and what it imports in turn stay; its neighbours go."""
    needed = {"demo/tests/__init__.py": "", "demo/tests/kit.py": "import demo.tests.more\n"}
    needed["demo/tests/more.py"] = ""
    demo.write({"demo/__init__.py": "", **needed, "demo/tests/test_a.py": ""})
    demo.write({user: text})

    report = demo.prune(*NO_SYMBOLS)

    assert demo.left() == {"demo/__init__.py", *needed}
    [kept] = report["tests"]["kept"]
    assert kept["distribution"] == "demo 1"
    assert f"MB  tests, demo 1: {kept['why']}" in demo.said


def test_what_a_package_only_offers_goes_unless_an_import_asks_for_it(demo):
    """numpy.f2py is dropped where only numpy names it, and stays where importing a package loads it."""
    lazy = "def __getattr__(name):\n    import numpy.f2py as f2py\n    return f2py\n"
    demo.write({"numpy/__init__.py": lazy, "numpy/f2py/__init__.py": ""})
    user = {"demo/__init__.py": "import numpy\nvars().update(a=getattr(numpy, 'f2' + 'py'))\n"}

    demo.prune(*NO_SYMBOLS)
    assert demo.left() == {"numpy/__init__.py"}

    demo.write({"numpy/f2py/__init__.py": "", **user})
    demo.prune(*NO_SYMBOLS)
    assert demo.left() == {"numpy/__init__.py", "numpy/f2py/__init__.py", "demo/__init__.py"}


def test_an_import_for_type_checkers_keeps_nothing(demo):
    """What only a type checker reads is no need."""
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import demo.tests.kit\n"
    demo.write({"demo/__init__.py": text, "demo/tests/kit.py": ""})

    demo.prune(*NO_SYMBOLS)

    assert demo.left() == {"demo/__init__.py"}


FILES = {
    "a kernel by its name": (
        "(HERE / 'kernels' / 'add.cu').read_text()",
        {"demo/kernels/add.cu", "demo/kernels/a.cuh"},
    ),
    "kernels by their ending": (
        "list(HERE.glob('kernels/*.cu'))",
        {"demo/kernels/add.cu", "demo/kernels/a.cuh"},
    ),
    "a stub that a lazy loader reads": ("attach_stub = str\nattach_stub(__name__)", {"demo/__init__.pyi"}),
    "data in a folder of tests": ("(HERE / 'tests' / 'data.json')", {"demo/tests/data.json"}),
}


@pytest.mark.parametrize(("code", "needed"), FILES.values(), ids=FILES)
def test_a_file_that_kept_code_reads_stays(demo, code, needed):
    """A file named by the code of its distribution stays, with what the same rule matches next to it."""
    text = f"from pathlib import Path\nHERE = Path(__file__).parent\n{code}\n"
    names = ("kernels/add.cu", "kernels/a.cuh", "__init__.pyi", "tests/data.json", "other/b.h")
    demo.write({"demo/__init__.py": text, **{f"demo/{name}": "" for name in names}})

    demo.prune(*NO_SYMBOLS)

    assert demo.left() == {"demo/__init__.py", *needed}


def test_a_rule_that_breaks_an_import_is_switched_off_for_the_distribution(demo):
    """A file that only running code can name comes back with all that the rule took of the distribution."""
    text = "open(__file__.replace('__init__.py', 'tests/' + 'da' + 'ta.bin'))\n"
    files = {"demo/__init__.py": text, "demo/tests/data.bin": "x", "demo/tests/more.bin": "x"}
    demo.write({**files, "demo/a.h": ""})

    report = demo.prune(*NO_SYMBOLS)

    assert demo.left() == set(files)
    assert report["tests"]["kept"][0]["why"] == "import demo needs demo/tests/data.bin"


def test_a_module_imported_through_a_folder_on_the_path_comes_back(demo):
    """A package that puts its own folder on sys.path names what is in it by the last part only."""
    folder = "os.path.dirname(__file__) + '/tests'"
    text = f"import os, sys\nsys.path.insert(0, {folder})\n__import__('hel' + 'per')\n"
    files = {"demo/__init__.py": text, "demo/tests/helper.py": ""}
    demo.write({**files, "demo/a.h": ""})

    report = demo.prune(*NO_SYMBOLS)

    assert demo.left() == set(files)
    assert report["tests"]["kept"][0]["why"] == "import demo needs demo/tests/helper.py"


def test_console_scripts_stay_unless_their_module_went(demo):
    """A script on PATH works: only one whose module a rule dropped goes with it."""
    points = "[console_scripts]\nalembic = demo:main\nonnxruntime_test = onnxruntime.tools.t:main\n"
    demo.write(
        {"demo/__init__.py": "", "onnxruntime/tools/t.py": "", "demo-1.dist-info/entry_points.txt": points}
    )
    for name in ("alembic", "onnxruntime_test"):
        demo.write({f"../../../bin/{name}": "#!x"})

    demo.prune(*NO_SYMBOLS)

    assert sorted(path.name for path in (demo.venv / "bin").iterdir()) == ["alembic", "python"]
    assert "../../../bin/alembic" in demo.record()
    assert "../../../bin/onnxruntime_test" not in demo.record()


needs_compiler = pytest.mark.skipif(not shutil.which("gcc"), reason="no compiler here")


def library(folder: Path, *options: str) -> bytes:
    """Return a shared library with symbols to strip."""
    code = "".join(f"static int unused{number}(void) {{ return {number}; }}\n" for number in range(400))
    code += "int (*all[])(void) = {" + ",".join(f"unused{number}" for number in range(400)) + "};\n"
    path = folder / "made.so"
    command = ["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(path), "-x", "none", *options]
    subprocess.run(command, input=code, check=True, text=True)
    return path.read_bytes()


@needs_compiler
def test_record_has_the_hash_and_size_of_a_stripped_library(demo, tmp_path):
    """Whoever compares the files with RECORD finds them equal."""
    whole = library(tmp_path)
    demo.write({"demo/a.so": whole})

    demo.prune()

    stripped = (demo.site / "demo/a.so").read_bytes()
    assert len(stripped) < len(whole)
    digest = base64.urlsafe_b64encode(hashlib.sha256(stripped).digest()).rstrip(b"=").decode()
    assert demo.record()["demo/a.so"] == [f"sha256={digest}", str(len(stripped))]


@needs_compiler
def test_a_library_that_cannot_be_loaded_stays_as_it_is(demo, tmp_path):
    """What cannot be proven after stripping keeps the bytes of its wheel."""
    other = tmp_path / "libother.so"
    other.write_bytes(library(tmp_path, "-Wl,-soname,libother.so"))
    whole = library(tmp_path, "-Wl,--no-as-needed", str(other))
    demo.write({"demo.libs/a.so": whole})

    demo.prune()

    assert (demo.site / "demo.libs/a.so").read_bytes() == whole
    assert demo.left() == {"demo.libs/a.so"}
