"""A module that others call."""

from .main import Greeter as Greeter
