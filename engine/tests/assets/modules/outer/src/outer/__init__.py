"""A module that calls another one."""

from .main import Outer as Outer
