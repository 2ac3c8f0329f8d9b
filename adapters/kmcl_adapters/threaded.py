"""``python:pkg.module:factory``: an implementation in Python that may call back from any thread.

``factory()`` is run for every session; ``kmcl_adapters.driver`` tells how its result must
look. Besides the header's functions it may have ``Name``, ``LibraryVersion``,
``Capabilities`` (words), ``Act(channel, action)`` for what the world does, and

``WaitIdle(milliseconds) -> (calls, callbacks) or None``
    Returns as soon as nothing more can happen unless a call enters or a callback returns: how
    many calls are inside then, and how many callbacks it has entered that have not returned. None
    after the given time. Without it, an idle time stands for quiescence.

``Entered()``
    Called by a handler as soon as its entry was noted, on the thread that calls it. An
    implementation that lets nothing else happen until then has its handlers entered in the order in
    which it calls them.

``Reset()``
    Ends its threads; called when a session is closed.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from kmcl_model.api import FUNCTIONS

from .driver import ThreadedSession
from .driver.session import ACTIONS, ENDPOINTS
from .interface import AdapterError, Description

__all__ = ["ThreadedAdapter", "ThreadedSession", "create", "description_of"]


def description_of(implementation: Any, adapter: str, idle_seconds: float) -> Description:
    """What an implementation says about itself."""
    words = frozenset(str(getattr(implementation, "Capabilities", "")).split())
    if not words & set(ENDPOINTS):
        words |= set(ENDPOINTS)
    if getattr(implementation, "Act", None) is None:
        words -= ACTIONS
    exact = getattr(implementation, "WaitIdle", None) is not None
    return Description(
        name=str(getattr(implementation, "Name", type(implementation).__name__)),
        version=str(getattr(implementation, "LibraryVersion", "")),
        adapter=adapter,
        capabilities=words | {"hold"},
        exact_quiescence=exact,
        idle_seconds=0.0 if exact else idle_seconds,
        not_offered=frozenset(f for f in FUNCTIONS if getattr(implementation, f, None) is None),
    )


class ThreadedAdapter:
    """An implementation in this process; ``factory`` makes a fresh one."""

    def __init__(
        self, factory: Callable[[], Any], name: str, *, idle_seconds: float = 0.02
    ) -> None:
        self._factory = factory
        self._name = name
        self._idle_seconds = idle_seconds
        self._description: Description | None = None

    def describe(self) -> Description:
        """What the first implementation made says of itself."""
        if self._description is None:
            implementation = self._make()
            self._description = description_of(implementation, self._name, self._idle_seconds)
            if (reset := getattr(implementation, "Reset", None)) is not None:
                reset()
        return self._description

    def open(self) -> ThreadedSession:
        """A session over a new implementation."""
        implementation = self._make()
        return ThreadedSession(
            implementation,
            on_close=getattr(implementation, "Reset", None),
            idle_seconds=self._idle_seconds,
        )

    def close(self) -> None:
        """Sessions share nothing."""

    def _make(self) -> Any:
        try:
            implementation = self._factory()
        except Exception as error:
            raise AdapterError(
                f"{self._name}: the factory failed: {type(error).__name__}: {error}"
            ) from error
        if not any(hasattr(implementation, name) for name in FUNCTIONS):
            raise AdapterError(
                f"{self._name}: the factory gives a {type(implementation).__name__}, which has "
                "none of the header's functions; 'kmcl adapter --scaffold FILE' begins one"
            )
        return implementation


def create(argument: str) -> ThreadedAdapter:
    """``pkg.module:factory``. Raises AdapterError where there is no such factory."""
    module_name, colon, path = argument.partition(":")
    if not (module_name and colon and path):
        raise AdapterError(f"python:{argument}: write python:pkg.module:factory")
    try:
        found: Any = import_module(module_name)
    except Exception as error:
        raise AdapterError(f"python:{argument}: cannot import {module_name}: {error}") from error
    for part in path.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise AdapterError(f"python:{argument}: {module_name} has no function {path}")
    return ThreadedAdapter(found, f"python:{argument}")
