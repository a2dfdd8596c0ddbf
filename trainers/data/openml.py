"""Fetch image sets from OpenML through scikit-learn, which keeps a copy of its own."""

from __future__ import annotations

import http.client
import logging
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

_TIMEOUT = 20.0
_log = logging.getLogger(__name__)


class FetchImagesError(RuntimeError):
    """No network, no such data set, or not the images expected; the message is one phrase."""


def fetch_images(name: str, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels of the given shape (n, d) and classes (n,), both uint8.

    Raises
    ------
    FetchImagesError
        If OpenML does not answer within 20 s, or has something else.
    """
    # Takes a second to import, which only those without files need to pay.
    from sklearn.datasets import fetch_openml

    _log.warning("fetching %s from OpenML, once", name)
    try:
        with _timeout(_TIMEOUT), warnings.catch_warnings():
            # It would announce its second attempt.
            warnings.simplefilter("ignore")
            # Classes as numbers too: with pandas 3 scikit-learn 1.9 fails on numeric categories.
            pixels, classes = fetch_openml(
                name,
                version=1,
                return_X_y=True,
                as_frame=False,
                parser="pandas",
                read_csv_kwargs={"dtype": "float32"},
                n_retries=1,
                delay=0.1,
            )
    except (OSError, http.client.HTTPException, ValueError) as error:
        phrase = " ".join(str(error).split()) or type(error).__name__
        raise FetchImagesError(phrase) from error
    if pixels.shape != shape:
        raise FetchImagesError(f"{name} of shape {pixels.shape} instead of {shape}")
    if not (_within(pixels, 255) and _within(classes, 9)):
        raise FetchImagesError(f"{name} with values that are no pixels or classes")
    return pixels.astype(np.uint8), classes.astype(np.uint8)


def _within(values: np.ndarray, largest: int) -> bool:
    return bool(values.min() >= 0 and values.max() <= largest)


@contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    """Let sockets that name no timeout give up: fetch_openml names none."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
