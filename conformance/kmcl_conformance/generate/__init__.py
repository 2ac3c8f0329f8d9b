"""Making tests: what is enabled, walks, tours, shrinking."""

from .driver import Names, is_enabled
from .explorer import Chooser, epilogue
from .setup import prelude

__all__ = ["Chooser", "Names", "epilogue", "is_enabled", "prelude"]
