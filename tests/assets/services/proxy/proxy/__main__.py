"""Answer with the versions of what was imported: proof that the libraries load."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cryptography
import openai
import psycopg2
import redis
import structlog

LOADED = {
    "cryptography": cryptography.__version__,
    "libpq": psycopg2.__libpq_version__,
    "openai": openai.__version__,
    "redis": redis.__version__,
    "structlog": structlog.__version__,
}


class Handler(BaseHTTPRequestHandler):
    """Serve /health and /versions."""

    def do_GET(self):
        """Answer with JSON, or 404."""
        known = self.path in ("/health", "/versions")
        self.send_response(200 if known else 404)
        self.end_headers()
        self.wfile.write(json.dumps(LOADED if known else {}).encode())


ThreadingHTTPServer(("", 8080), Handler).serve_forever()
