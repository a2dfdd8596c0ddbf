"""Passwords and tokens, kept out of everything that is shown or stored.

Tracking and storage URLs may hold a password. Reports, state files, MLflow tags, log lines and
error messages get such text only through this module. Where a URL can be read in two ways, the
reading that hides more is taken.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence

HIDDEN = "***"
VARIABLES = (
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "DATABRICKS_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "PGPASSWORD",
)
"""Environment variables whose values are secrets of the stores that are spoken to."""

_SCHEME = r"[A-Za-z][A-Za-z0-9+.\-]*://"
_IN_TEXT = re.compile(rf"({_SCHEME})(\S*)")
_ARGUMENT = re.compile(rf"(--[\w-]+=|[\w.-]+=)?({_SCHEME})(.*)", re.DOTALL)
_NAME = (
    r"[\w.\-]*(?:passw(?:or)?d|passphrase|\bpass\b|pwd|token|secret|api[_\-]?key|credential|"
    r"signature)[\w.\-]*"
)
_END = r"(?=[\"')\]}>]*(?:[\s&]|$))"
_SETTING = re.compile(
    rf"(?i)({_NAME}[\"']?\s*[=:]\s*)(?!{re.escape(HIDDEN)})"
    rf"(\"[^\"]*\"|'[^']*'|[^\s&]+?{_END})"
)
_HEADER = re.compile(r"(?i)(authorization[\"']?\s*[=:]\s*[\"']?(?:bearer|basic)\s+)[^\s\"',]+")


def redacted(text: str, *secrets: str) -> str:
    """Return any text without the passwords of its URLs, its settings and the environment.

    Parameters
    ----------
    secrets
        More texts to hide, wherever they stand.

    >>> redacted("cannot reach postgresql://me:se@cret@db/x?sslmode=require&password=a now")
    'cannot reach postgresql://me:***@db/x?sslmode=require&password=*** now'
    """
    text = _IN_TEXT.sub(lambda match: match[1] + _without_user_part(match[1], match[2]), text)
    text = _HEADER.sub(rf"\1{HIDDEN}", _SETTING.sub(rf"\1{HIDDEN}", text))
    for name in VARIABLES:
        secret = os.environ.get(name, "")
        if len(secret) >= 4:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", HIDDEN, text)
    for secret in filter(None, secrets):
        text = text.replace(secret, HIDDEN)
    return text


def redacted_uri(uri: str) -> str:
    """Return one URL, all of it, fit for files and messages; the password may hold anything.

    The name of a user stays, except in web addresses, where it may be a token.

    >>> redacted_uri("https://user:secret@host:5000/a")
    'https://***@host:5000/a'
    >>> redacted_uri("postgresql+psycopg://me:a b'c@host/x")
    'postgresql+psycopg://me:***@host/x'
    """
    match = _ARGUMENT.fullmatch(uri)
    if match is None:
        return _SETTING.sub(rf"\1{HIDDEN}", uri)
    start = f"{match[1] or ''}{match[2]}"
    place, mark, query = _without_user_part(match[2], match[3]).partition("?")
    fields = (re.sub(rf"(?is)^({_NAME}=).*", rf"\1{HIDDEN}", each) for each in query.split("&"))
    return f"{start}{place}{mark}{'&'.join(fields)}"


def place_of(uri: str) -> str:
    """Return what a URL names, whoever logs in: without user, secrets and a last slash.

    >>> place_of("http://me:secret@host:5000/")
    'http://host:5000'
    """
    return re.sub(r"://[^/]*@", "://", redacted_uri(uri)).rstrip("/")


def is_secret(name: str) -> bool:
    """Whether a field of this name in the query of a URL is kept out of everything shown."""
    return re.fullmatch(_NAME, name, re.IGNORECASE) is not None


def redacted_command(arguments: Sequence[str]) -> str:
    """Return a command line, quoted for a shell, without the passwords in its arguments."""
    return shlex.join(redacted(redacted_uri(argument)) for argument in arguments)


def _without_user_part(scheme: str, rest: str) -> str:
    """Hide what stands before the last @, unless it can only be part of a path."""
    owner, at, place = rest.rpartition("@")
    if not at or rest.startswith("/"):  # no host, so nobody to log in as: sqlite:///, file:///
        return rest
    user, colon, _ = owner.partition(":")
    if re.search(r"[/?#]", user):
        return rest
    if scheme.lower().startswith("http"):
        return f"{HIDDEN}@{place}"
    return f"{user}:{HIDDEN}@{place}" if colon else rest
