"""Making tests: what is enabled, walks, tours, shrinking."""

from .driver import is_enabled
from .explorer import Chooser, epilogue
from .names import Names
from .setup import prelude

__all__ = ["Chooser", "Names", "epilogue", "is_enabled", "prelude"]
