"""A laboratory: a real Linux guest on a real VMBus host, on any machine with a KVM or with none."""

__all__: list[str] = []
