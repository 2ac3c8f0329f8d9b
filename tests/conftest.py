"""Settings of every test: the same examples on every machine, and no clock that decides."""

import signal

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")


# A shell makes what it starts in the background deaf to Ctrl-C, of which some tests are.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Real guests are booted for who asks."""
    parser.addoption(
        "--real-guests", action="store_true", help="run the tests that boot a guest in the lab, too"
    )
