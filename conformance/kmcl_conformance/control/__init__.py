"""Testing a guest by the control protocol of its bus: judge, generation, faults."""

from .judge import ControlJudge
from .walk import ControlCourse

__all__ = ["ControlCourse", "ControlJudge"]
