"""Whether something listens at an address."""

from __future__ import annotations

import socket

from search_spaces import InvalidSettingError


def check_reachable(address: str) -> None:
    """Raise InvalidSettingError unless something listens at ``HOST:PORT`` (``auto`` passes)."""
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        raise InvalidSettingError(f"address={address!r} is not HOST:PORT, ray://HOST:PORT or auto")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidSettingError(f"no Ray cluster answers at {address}: {reason}") from None


def answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError:
        return False
    return True
