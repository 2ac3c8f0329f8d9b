"""The library itself: two ends of one channel, two rings between them, and no threads.

Nothing in here knows of tests, events or names. A driver hands in handlers and gets them called
with handles; work that the library does on its own account is a task of the scheduler.
"""

__all__: list[str] = []
