"""NTSTATUS values that the pages name, and the rule that tells success from failure."""

from __future__ import annotations

from typing import Final

__all__ = [
    "STATUS_BUFFER_OVERFLOW",
    "STATUS_CANCELLED",
    "STATUS_DEVICE_REMOVED",
    "STATUS_INVALID_DEVICE_STATE",
    "STATUS_INVALID_PARAMETER",
    "STATUS_INVALID_PARAMETER_1",
    "STATUS_INVALID_PARAMETER_2",
    "STATUS_INVALID_PARAMETER_3",
    "STATUS_NOT_SUPPORTED",
    "STATUS_PENDING",
    "STATUS_SUCCESS",
    "STATUS_UNSUCCESSFUL",
    "is_success",
    "status_name",
]

STATUS_SUCCESS: Final = 0x00000000
STATUS_PENDING: Final = 0x00000103
STATUS_BUFFER_OVERFLOW: Final = 0x80000005
STATUS_UNSUCCESSFUL: Final = 0xC0000001
STATUS_INVALID_PARAMETER: Final = 0xC000000D
STATUS_NOT_SUPPORTED: Final = 0xC00000BB
STATUS_CANCELLED: Final = 0xC0000120
STATUS_INVALID_DEVICE_STATE: Final = 0xC0000184
STATUS_DEVICE_REMOVED: Final = 0xC00002B6
STATUS_INVALID_PARAMETER_1: Final = 0xC00000EF
STATUS_INVALID_PARAMETER_2: Final = 0xC00000F0
STATUS_INVALID_PARAMETER_3: Final = 0xC00000F1

_NAMES: Final = {
    value: name
    for name, value in sorted(globals().items())
    if name.startswith("STATUS_") and isinstance(value, int)
}


def is_success(status: int) -> bool:
    """NT_SUCCESS: true for success and informational codes of an unsigned 32-bit status."""
    return status < 0x80000000


def status_name(status: int) -> str:
    """The header's name of an NTSTATUS, or its value in hexadecimal."""
    return _NAMES.get(status, f"0x{status:08X}")
