"""The version of kinspect."""

__version__ = "0.1.0"
