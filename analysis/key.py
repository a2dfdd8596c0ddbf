"""What a number or a verdict is called: a value that prints itself."""

from __future__ import annotations

from typing import Any

from analysis.table import setting_text


class Key(str):
    """A name with what tells it from others of that name: ``a[lazy,c=0.1,n_train=64]``.

    A key equals its text, by which users, scripts and files look numbers up. Code asks it for its
    parts and never takes the text apart.

    Examples
    --------
    >>> key = Key("T_c", "lazy", c=0.1, n_train=64, alpha=100.0)
    >>> print(key)
    T_c[lazy,c=0.1,n_train=64,alpha=100]
    >>> key.name, key.has("lazy"), key.get("n_train"), key.get("width")
    ('T_c', True, '64', None)
    >>> print(key.without("alpha", "n_train"), Key("gamma"), key == str(key))
    T_c[lazy,c=0.1] gamma True
    """

    __slots__ = ("name", "pairs")

    name: str
    """What it is a key of."""
    pairs: tuple[tuple[str, str], ...]
    """Settings with their values as text, in order; a mere word has an empty value."""

    def __new__(cls, name: str, /, *words: str, **settings: Any) -> Key:
        """Make the key of a name, told apart first by words and then by settings."""
        values = ((setting, setting_text(value)) for setting, value in settings.items())
        return cls._of(name, (*((word, "") for word in words), *values))

    @classmethod
    def _of(cls, name: str, pairs: tuple[tuple[str, str], ...]) -> Key:
        inside = ",".join(f"{setting}={value}" if value else setting for setting, value in pairs)
        key = super().__new__(cls, f"{name}[{inside}]" if inside else name)
        key.name, key.pairs = name, pairs
        return key

    def __reduce__(self) -> tuple[Any, ...]:
        return Key._of, (self.name, self.pairs)

    def has(self, part: str) -> bool:
        """Return whether a word or a setting of this name is part of the key."""
        return any(own == part for own, _ in self.pairs)

    def get(self, setting: str) -> str | None:
        """Return the value of a setting as text, None without it."""
        return next((value for own, value in self.pairs if own == setting), None)

    def without(self, *parts: str) -> Key:
        """Return the key without these words or settings."""
        return Key._of(self.name, tuple(pair for pair in self.pairs if pair[0] not in parts))
