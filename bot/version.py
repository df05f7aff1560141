"""The version people see in /version and on `gavel --version`."""

from importlib.metadata import version

VERSION = version("gavel")
