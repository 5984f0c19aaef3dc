"""End with 0 when the work was done in the last ten seconds."""

import pathlib
import sys
import time

beat = pathlib.Path("/tmp/beat")
sys.exit(not beat.exists() or time.time() - beat.stat().st_mtime > 10)
