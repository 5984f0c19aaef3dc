"""The packages that services use most, each with its smallest call: what pruning must not break."""

import sys

from pipeline.builder import PROGRAMS

sys.path.append(str(PROGRAMS))
