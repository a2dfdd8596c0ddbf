"""Whether something listens at an address."""

from __future__ import annotations

import socket

from search_spaces import InvalidSettingError


def why_silent(host: str, port: int, seconds: float = 5.0) -> str:
    """Return in words why nothing answers at an address; empty if something listens."""
    try:
        socket.create_connection((host, port), timeout=seconds).close()
    except (OSError, ValueError) as error:
        return str(getattr(error, "strerror", None) or error)
    return ""


def check_reachable(address: str) -> None:
    """Raise InvalidSettingError unless something listens at ``HOST:PORT`` (``auto`` passes)."""
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        raise InvalidSettingError(f"address={address!r} is not HOST:PORT, ray://HOST:PORT or auto")
    if reason := why_silent(host, int(port)):
        raise InvalidSettingError(f"no Ray cluster answers at {address}: {reason}")
