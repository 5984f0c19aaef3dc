"""A module of a module."""

from .main import Deep as Deep
