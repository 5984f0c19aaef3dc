"""Serve /health, and /facts: what the surroundings give."""

import ctypes.util
import importlib.metadata
import json
import locale
import mimetypes
import os
import pathlib
import signal
import subprocess
import sys
import threading
import zoneinfo
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def run(*words: str) -> str:
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    return (done.stdout + done.stderr).strip()


def facts() -> dict[str, object]:
    data = pathlib.Path(__file__).with_name("data")
    pathlib.Path("/tmp/x.pdf").write_bytes(b"%PDF-1.4\n")
    return {
        "hello": run("hello"),
        "file": run("file", "--brief", "--mime-type", "/tmp/x.pdf"),
        "shell": subprocess.run("echo $((1 + 1))", shell=True, capture_output=True, text=True).stdout.strip(),
        "libraries": [ctypes.util.find_library(name) for name in ("c", "magic", "nothing")],
        "locale": locale.setlocale(locale.LC_ALL, ""),
        "zone": str(zoneinfo.ZoneInfo("Europe/Berlin")),
        "type": mimetypes.guess_type("a.pdf")[0],
        "version": importlib.metadata.version("gadget"),
        "data": sorted(path.name for path in data.iterdir() if path.name != "__pycache__"),
        "home": os.access(pathlib.Path.home(), os.W_OK),
    }


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = {"/health": dict, "/facts": facts}.get(self.path)
        answer = json.dumps(body()).encode() if body else b""
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


if __name__ == "__main__":
    if sys.argv[1:] == ["facts"]:
        print(json.dumps(facts()))
        sys.exit()
    server = ThreadingHTTPServer(("", int(sys.argv[1])), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
