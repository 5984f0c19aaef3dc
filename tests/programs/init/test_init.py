"""`init` writes the configuration of projects that have none, and says why."""

import pytest

from pipeline.config import Config

ADDRESS = ("--host", "0.0.0.0")  # noqa: S104 - the address inside a container
FASTAPI = """\
from fastapi import FastAPI
app = FastAPI()
@app.get("/healthz")
def health(): return {}
"""


def test_requirements_and_one_module_become_a_service(init):
    """The smallest project: the application is found in the code, the requirements are kept."""
    made = init({"main.py": FASTAPI, "requirements.txt": "fastapi==0.115.0\nhttpx\n"})
    config = Config.parse(made.text)

    assert config.project.dependencies == ("fastapi==0.115.0", "httpx", "uvicorn")
    assert config.service.command == ("uvicorn", "main:app", *ADDRESS, "--port", "8000")
    assert config.service.packages == ("main.py",)
    assert (config.service.port, config.service.health) == (8000, "/healthz")
    assert list(config.service.variants) == ["cpu"]
    assert "health: main.py:3: a route of the code" in made.report
    assert "uvicorn is added: the command starts it" in made.report


DOCKERFILE = """\
FROM python:3.12 AS builder
RUN apt-get update && apt-get install -y --no-install-recommends build-essential libpq-dev
COPY requirements.txt .
RUN pip install -r requirements.txt
FROM python:3.12-slim
ARG PORT=9000
ENV MODE=fast API_KEY=abc PYTHONUNBUFFERED=1
WORKDIR /code
RUN apt-get update && apt-get install -y ffmpeg curl && rm -rf /var/lib/apt/lists/*
COPY ./app /code/app
COPY prompts/ prompts/
COPY --from=builder /usr/local /usr/local
EXPOSE 9000
CMD uvicorn app.api:app --port $PORT --reload
"""


def test_a_dockerfile_decides_what_it_says(init):
    """Python, command, port, files, Debian packages and variables come from the last stage."""
    files = {
        "Dockerfile": DOCKERFILE,
        "requirements.txt": "fastapi\nuvicorn\n",
        "app/api.py": FASTAPI,
        "prompts/system.md": "Be brief.",
        "scripts/load.py": "print()",
    }
    made = init(files)
    service = Config.parse(made.text).service

    assert service.python == "3.12"
    assert service.command == ("uvicorn", "app.api:app", "--port", "9000", *ADDRESS)
    assert service.packages == ("app", "prompts")
    assert (service.port, service.env) == (9000, {"MODE": "fast"})
    assert service.variants["cpu"].os_packages == ("ffmpeg",)
    assert service.variants["cpu"].build_packages == ("build-essential", "libpq-dev")
    assert "Dockerfile:7: API_KEY is left out: a secret" in made.report
    assert "--reload is left out" in made.report


COMMANDS = {
    "exec form behind tini": (
        'ENTRYPOINT ["tini", "--"]\nCMD ["python", "-m", "app.api"]',
        "python -m app.api",
    ),
    "poetry run": (
        'CMD ["poetry", "run", "uvicorn", "app.api:app", "--host", "::"]',
        "uvicorn app.api:app --host ::",
    ),
    "sh -c": (
        'CMD ["sh", "-c", "exec gunicorn app.api:app -b 0.0.0.0:${PORT:-80}"]',
        "gunicorn app.api:app -b 0.0.0.0:80",
    ),
    "a path in the working directory": ('CMD ["python", "/srv/app/api.py"]', "python app/api.py"),
    "a script before": ('ENTRYPOINT ["/start.sh"]\nCMD ["python", "-m", "app.api"]', "python -m app.api"),
}


@pytest.mark.parametrize(("lines", "expected"), COMMANDS.values(), ids=COMMANDS.keys())
def test_a_command_starts_the_program_itself(init, lines, expected):
    """Launchers and shells that only start another program are left out."""
    text = f"FROM python:3.13-slim\nWORKDIR /srv\nCOPY . .\nEXPOSE 8000\n{lines}\n"
    made = init({"Dockerfile": text, "app/api.py": FASTAPI, "requirements.txt": "fastapi"})

    assert " ".join(made.service["command"]) == expected


def test_a_command_that_needs_a_shell_gets_one(init):
    """Two programs in one line are nothing that an argument list can say."""
    text = "FROM python:3.13\nWORKDIR /srv\nCOPY . .\nCMD python prepare.py && python serve.py\n"
    made = init({"Dockerfile": text, "prepare.py": "", "serve.py": "", "requirements.txt": ""})

    assert made.service["command"] == ["sh", "-c", "python prepare.py && python serve.py"]
    assert made.service["shell"] is True


def test_the_contents_of_a_copied_folder_are_named_one_by_one(init):
    """`COPY src/ .` puts each file of the folder into the working directory."""
    text = 'FROM python:3.13\nWORKDIR /srv\nCOPY src/ .\nCMD ["uvicorn", "api:app", "--host", "0.0.0.0"]\n'
    made = init(
        {"Dockerfile": text, "src/api.py": FASTAPI, "src/index.bin": "x", "requirements.txt": "fastapi"}
    )

    assert made.service["packages"] == ["src/api.py", "src/index.bin"]


KINDS = {
    "flask": (
        {"app.py": 'from flask import Flask\ndef create_app():\n    app = Flask("x")\n    return app\n'},
        ["gunicorn", "--bind", "0.0.0.0:8000", "app:create_app()"],
    ),
    "celery": (
        {"jobs/app.py": "import celery\nworker = celery.Celery()\n", "jobs/__init__.py": ""},
        ["celery", "-A", "jobs.app", "worker", "--loglevel=INFO"],
    ),
    "gradio": (
        {"main.py": "import gradio as gr\nwith gr.Blocks() as demo: pass\n"},
        ["python", "-m", "main"],
    ),
    "src layout": (
        {"src/rag/api.py": FASTAPI, "src/rag/__init__.py": ""},
        ["uvicorn", "rag.api:app", *ADDRESS, "--port", "8000"],
    ),
    "modules next to each other": (
        {"backend/main.py": f"import tools\n{FASTAPI}", "backend/tools.py": ""},
        ["uvicorn", "main:app", *ADDRESS, "--port", "8000"],
    ),
    "procfile": (
        {"Procfile": "web: gunicorn serve:app --bind 0.0.0.0:$PORT\n", "serve.py": FASTAPI},
        ["gunicorn", "serve:app", "--bind", "0.0.0.0:8000"],
    ),
    "django": (
        {
            "manage.py": 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")\n',
            "shop/wsgi.py": "application = None\n",
        },
        ["gunicorn", "--bind", "0.0.0.0:8000", "shop.wsgi:application"],
    ),
}


@pytest.mark.parametrize(("files", "command"), KINDS.values(), ids=KINDS.keys())
def test_applications_are_found_in_the_code(init, files, command):
    """Each framework has its server, and the module is imported as it will be in the image."""
    made = init({**files, "requirements.txt": ""})
    service = Config.parse(made.text).service

    assert list(service.command) == command
    names = {path.rpartition("/")[2].removesuffix(".py") for path in service.packages}
    module = next((word.partition(":")[0] for word in command if ":" in word and "0.0" not in word), "")
    assert not module or module.partition(".")[0] in names


def test_what_a_dockerfile_installs_by_name_is_declared(init):
    """Without a requirement file the packages of `pip install` are the dependencies; tools are not."""
    install = (
        "RUN pip install -U pip && pip install --no-cache-dir -i https://x.test/simple 'flask>=3' gunicorn"
    )
    text = (
        f'FROM python:3.13\n{install}\nWORKDIR /srv\nCOPY . .\nCMD ["gunicorn", "-b", ":80", "serve:app"]\n'
    )
    made = init({"Dockerfile": text, "serve.py": FASTAPI})

    assert made.tables["project"]["dependencies"] == ["flask>=3", "gunicorn"]
    assert "dependencies: Dockerfile:2: RUN pip install: 2 requirements" in made.report


def test_data_enters_where_the_code_names_it(init):
    """Templates are opened by name; notes of the developers are not."""
    code = f'{FASTAPI}TEMPLATES = "templates/index.html"\n'
    files = {"main.py": code, "templates/index.html": "", "notes/todo.txt": "", "requirements.txt": "fastapi"}

    assert init(files).service["packages"] == ["main.py", "templates"]


POETRY = """\
[tool.poetry]
name = "ragsvc"
version = "0.1.0"
description = ""
authors = []
[tool.poetry.dependencies]
python = "^3.11"
uvicorn = {extras=["standard"], version="^0.30"}
[tool.poetry.group.dev.dependencies]
pytest = "^8"
black = "*"
[tool.ruff]
line-length = 99  # ours
"""


def test_a_poetry_project_is_translated_and_keeps_its_tables(init):
    """`[project]` is added; what other tools read stays as it is."""
    made = init({"pyproject.toml": POETRY, "ragsvc/main.py": FASTAPI})
    config = Config.parse(made.text)

    assert config.project.name == "ragsvc"
    assert config.project.dependencies == ("uvicorn[standard]>=0.30,<0.31",)
    assert made.tables["dependency-groups"] == {"test": ["pytest>=8,<9"]}
    assert "line-length = 99  # ours" in made.text
    assert made.tables["tool"]["poetry"]["dependencies"]["python"] == "^3.11"


def test_a_pipfile_is_translated(init):
    """Pipenv keeps no pyproject.toml; its Python is a lower bound."""
    pipfile = '[packages]\nflask = "*"\n[requires]\npython_version = "3.12"\n'
    project = Config.parse(init({"Pipfile": pipfile, "main.py": FASTAPI}).text).project

    assert project.dependencies == ("flask", "uvicorn")
    assert project.requires_python == ">=3.12"


def test_setup_files_are_read_without_being_run(init):
    """Literals of setup.py and setup.cfg are the project; a setup.py is never executed."""
    setup = (
        'raise OSError\nfrom setuptools import setup\nNEEDS = ["flask>=2"]\nsetup(install_requires=NEEDS)\n'
    )
    made = init(
        {"setup.py": setup, "setup.cfg": "[metadata]\nname = shop\nversion = 2.1\n", "main.py": FASTAPI}
    )

    assert made.tables["project"]["name"] == "shop"
    assert made.tables["project"]["dependencies"][0] == "flask>=2"
    assert "dependencies: setup.py:4: install_requires" in made.report


def test_requirement_files_are_read_as_pip_reads_them(init):
    """Included files, URLs of wheels, repositories and indexes are kept; the rest is a remark."""
    commit = "0123456789" * 4
    lines = (
        "-r base.txt\n--extra-index-url https://index.test/cpu\n-e .\n--no-binary x\n"
        f"git+https://git.test/bar.git@{commit}#egg=bar\n"
        "https://files.test/en_core-3.8.0-py3-none-any.whl\nhttpx==0.27 \\\n  --hash=sha256:ab\nbad bad\n"
    )
    made = init({"requirements.txt": lines, "base.txt": "six>=1  # why\n", "main.py": FASTAPI})

    assert made.tables["project"]["dependencies"][:-1] == [
        "six>=1",
        f"bar @ git+https://git.test/bar.git@{commit}",
        "en-core @ https://files.test/en_core-3.8.0-py3-none-any.whl",
        "httpx==0.27",
    ]
    assert made.tables["tool"]["uv"]["index"] == [{"name": "index-1", "url": "https://index.test/cpu"}]
    assert "requirements.txt:4: '--no-binary x' is left out" in made.report
    assert "requirements.txt:8: 'bad bad' is left out: not a valid requirement" in made.report


def test_a_complete_project_is_not_written_over(init):
    """Both tables exist: only --force replaces one, and never [project]."""
    text = '[project]\nname = "own"\n[tool.wheelhouse]\ncommand = ["x"]\npackages = ["y"]\n'
    files = {"pyproject.toml": text, "main.py": FASTAPI}

    assert "has [project] and [tool.wheelhouse] already" in init(files).error
    forced = init(files, "--force")
    assert forced.service["command"][0] == "uvicorn"
    assert forced.tables["project"] == {"name": "own"}


def test_a_project_of_uv_gets_its_table_only(init):
    """[project] is there; a server that it does not name is a remark, because its lock is elsewhere."""
    made = init(
        {"pyproject.toml": '[project]\nname = "own"\ndependencies = ["fastapi"]\n', "main.py": FASTAPI}
    )

    assert made.tables["project"] == {"name": "own", "dependencies": ["fastapi"]}
    assert "the command starts uvicorn, absent from [project]" in made.report


WORKSPACE = """\
[project]
name = "api"
dependencies = ["fastapi", "uvicorn", "core-lib"]
[tool.uv.workspace]
members = ["libs/*"]
[tool.uv.sources]
core-lib = { workspace = true }
"""


def test_members_of_a_workspace_enter_as_code(init):
    """Their packages are imported by name in the image; members that nothing needs stay out."""
    member = '[project]\nname = "{}"\ndependencies = [{}]\n'
    files = {
        "pyproject.toml": WORKSPACE,
        "api/main.py": FASTAPI,
        "libs/core/pyproject.toml": member.format("core_lib", '"deep"'),
        "libs/core/core_lib/__init__.py": "",
        "libs/deep/pyproject.toml": member.format("deep", ""),
        "libs/deep/src/deep/__init__.py": "",
        "libs/other/pyproject.toml": member.format("other", ""),
        "libs/other/other/__init__.py": "",
    }

    assert init(files).service["packages"] == ["api", "libs/core/core_lib", "libs/deep/src/deep"]


def test_a_project_that_starts_nothing_is_refused_with_the_way_on(init):
    """Nothing is guessed where nothing says what to start; the option is named, and works."""
    files = {"tools.py": "x = 1\n", "requirements.txt": "flask\n"}

    assert 'Pass it: init --command="uvicorn' in init(files).error
    assert init(files, "--command", "python -m tools").service["command"] == ["python", "-m", "tools"]


def test_downloads_at_run_time_are_named(init):
    """What the code fetches when it runs is a remark with its line and the key that bakes it."""
    code = f'import tiktoken\n{FASTAPI}encoding = tiktoken.get_encoding("cl100k_base")\n'
    made = init({"main.py": code, "requirements.txt": "fastapi\ntiktoken\n"})

    assert "main.py:6: downloads 'cl100k_base' when it runs" in made.report
