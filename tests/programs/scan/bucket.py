"""A stand-in for OSV's public bucket on loopback: the tests' advisories, changed a moment ago."""

import functools
import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ADVISORIES = Path(__file__).parents[2] / "assets" / "advisories"
ECOSYSTEMS = {"PyPI": "records.json", "Debian": "debian.json"}


class _Quiet(SimpleHTTPRequestHandler):
    """Serves files and prints nothing."""

    def log_message(self, *words: Any) -> None:
        """Print nothing."""


@contextmanager
def bucket(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve `/PyPI/all.zip` and `/Debian/all.zip`; give the URL and the paths that were asked for."""
    now = datetime.now(UTC).isoformat()
    for ecosystem, name in ECOSYSTEMS.items():
        (folder / ecosystem).mkdir(parents=True)
        with zipfile.ZipFile(folder / ecosystem / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for record in json.loads((ADVISORIES / name).read_text()):
                archive.writestr(f"{record['id']}.json", json.dumps(record | {"modified": now}))
    asked: list[str] = []

    class Noting(_Quiet):
        """Notes the paths that it is asked for."""

        def do_GET(self) -> None:
            """Note the path and answer."""
            asked.append(self.path)
            super().do_GET()

    handler = functools.partial(Noting, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()
