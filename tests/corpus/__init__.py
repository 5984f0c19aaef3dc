"""The packages that services use most, each with its smallest call: what pruning must not break."""

import sys

from pipeline.containers import PROGRAMS

sys.path.append(str(PROGRAMS))
