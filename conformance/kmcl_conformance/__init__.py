"""Judging, generating, running; the command line."""

__all__: list[str] = []
