"""The executable specification of the VMBus Kernel Mode Client Library."""

__all__: list[str] = []
