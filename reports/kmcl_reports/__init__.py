"""Result types and their renderers."""

__all__: list[str] = []
