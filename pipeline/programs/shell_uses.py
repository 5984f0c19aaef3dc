"""Where a service's own code starts a shell, which its image may not have."""

import ast
from collections.abc import Iterator
from pathlib import Path

STARTERS = (
    *("asyncio.create_subprocess_shell", "os.popen", "os.system"),
    *("subprocess.getoutput", "subprocess.getstatusoutput"),
)
"""Functions that always start one."""


def shell_uses(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and call of everything in a module that starts a shell; nothing where it does not parse."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        if name in STARTERS:
            yield node.lineno, name
        elif any(word.arg == "shell" and _true(word.value) for word in node.keywords):
            yield node.lineno, f"{name}(shell=True)"


def _true(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is True
