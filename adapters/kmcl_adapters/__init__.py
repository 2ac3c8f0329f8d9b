"""The adapter interface and the implementations that the suite can reach."""

from .interface import (
    Adapter,
    AdapterError,
    Create,
    Description,
    Doubted,
    Housed,
    Machines,
    Refusing,
    Schedulable,
    Session,
    Tallying,
)

__all__ = [
    "Adapter",
    "AdapterError",
    "Create",
    "Description",
    "Doubted",
    "Housed",
    "Machines",
    "Refusing",
    "Schedulable",
    "Session",
    "Tallying",
]
