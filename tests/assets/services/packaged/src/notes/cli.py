"""Serve the notes: `field-notes serve`."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from importlib.resources import files

import click


class Handler(BaseHTTPRequestHandler):
    """Serve /health and /notes."""

    def do_GET(self):
        """Answer with the notes and the version, or 404."""
        known = self.path in ("/health", "/notes")
        self.send_response(200 if known else 404)
        self.end_headers()
        self.wfile.write(json.dumps(facts() if known else {}).encode())


def facts():
    """Return what only an installed package knows: its data files and its version."""
    text = files("notes").joinpath("data/notes.txt").read_text()
    return {"notes": text.splitlines(), "version": version("field-notes")}


@click.group()
@click.version_option(package_name="field-notes")
def main():
    """Read notes."""


@main.command()
def serve():
    """Serve on port 8080."""
    ThreadingHTTPServer(("", 8080), Handler).serve_forever()


@main.command()
def show():
    """Print the notes and the version."""
    print(json.dumps(facts()))
