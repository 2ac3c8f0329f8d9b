"""The specification: observers, each with its rules, and the charts derived from them."""

from .observer import Automaton, Broken, Edge, Move, Node, Quiet, Rules, Shadow
from .specification import OBSERVERS, Specification

__all__ = [
    "OBSERVERS",
    "Automaton",
    "Broken",
    "Edge",
    "Move",
    "Node",
    "Quiet",
    "Rules",
    "Shadow",
    "Specification",
]
