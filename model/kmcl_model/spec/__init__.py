"""The specification: observers, each with its rules, and the charts derived from them."""

from .observer import Automaton, Broken, Edge, Move, Node, Quiet, Rules, Shadow
from .specification import OBSERVERS, Automata, Specification

__all__ = [
    "OBSERVERS",
    "Automata",
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
