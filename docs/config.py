"""Write docs/config.md: every key of `[tool.wheelhouse]`, read off the classes that check them.

`python docs/config.py` updates it; a test compares.
"""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
TABLES = {
    "[tool.wheelhouse]": ("config_tables.py", "ServiceConfig"),
    "[tool.wheelhouse.variants.cpu]": ("config_tables.py", "VariantConfig"),
    "[tool.wheelhouse.models.NAME]": ("config_tables.py", "ModelConfig"),
    "[tool.wheelhouse.build.NAME]": ("config_tables.py", "BuildConfig"),
    "[tool.wheelhouse.assets.NAME]": ("config_tables.py", "AssetConfig"),
    "[tool.wheelhouse.probe]": ("verify_config.py", "ProbeConfig"),
    "[tool.wheelhouse.scan]": ("scan_config.py", "ScanConfig"),
    "[[tool.wheelhouse.scan.ignores]]": ("scan_config.py", "Ignored"),
    "[tool.wheelhouse.scan.allow_skipped.python]": ("scan_config.py", "Allowed"),
    "[tool.wheelhouse.verify]": ("verify_config.py", "VerifyConfig"),
    "[[tool.wheelhouse.verify.accepted_licences]]": ("verify_config.py", "AcceptedLicence"),
    "[[tool.wheelhouse.verify.accepted_secrets]]": ("verify_config.py", "AcceptedSecret"),
}
HEAD = """# The keys of `[tool.wheelhouse]`

Written by `python docs/config.py`; a test compares. A service declares its image in its own
pyproject.toml and nowhere else. An unknown key or a wrong value is one error that names the key,
what was found, what is legal and the near miss. `app/pyproject.toml` is a whole example. The smallest one:

```toml
[project]
name = "demo"
version = "1.0"
dependencies = ["fastapi", "uvicorn"]

[tool.wheelhouse]
command = ["uvicorn", "demo.main:app", "--host", "0.0.0.0", "--port", "8000"]
packages = ["demo"]

[tool.wheelhouse.variants.api]
```
"""


def page() -> str:
    """Return the page: one table per table of the configuration."""
    return "\n".join([HEAD, *(_table(title, *where) for title, where in TABLES.items())])


def _table(title: str, file: str, name: str) -> str:
    tree = ast.parse((ROOT / "pipeline" / file).read_text())
    [declared] = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name]
    rows = [
        f"| `{key.target.id}` | {_default(key)} | {' '.join(text.value.value.split())} |"
        for key, text in zip(declared.body, declared.body[1:], strict=False)
        if isinstance(key, ast.AnnAssign) and isinstance(key.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
        if isinstance(text.value.value, str)
    ]
    return "\n".join([f"## `{title}`", "", "| Key | Default | Meaning |", "|---|---|---|", *rows, ""])


def _default(key: ast.AnnAssign) -> str:
    """Return a default as TOML has it; a key without one must be given."""
    if key.value is None:
        return "required"
    written = ast.unparse(key.value)
    empty = {"()": "`[]`", "None": "none", "Field(default_factory=dict)": "`{}`", "ScanConfig()": "below"}
    empty["VerifyConfig()"] = "below"
    return empty.get(written, f"`{written}`".replace("'", '"'))


if __name__ == "__main__":
    (ROOT / "docs" / "config.md").write_text(page())
