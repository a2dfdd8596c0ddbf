"""Formulas of plain sentences set as on paper: exponents raised, indices lowered, Greek letters.

Results speak in plain text, so that a terminal, a JSON file and a script can read them:
``T_lazy(0.1) = 4.6(2) P^-0.325(5)``. The page sets the same sentences as T with an index and P
with an exponent. Names of columns and settings, such as ``n_train``, stay as they are.
"""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup, escape

_GREEK = {
    "alpha": "α",
    "gamma": "γ",
    "delta": "δ",
    "eta": "η",
    "kappa": "κ",
    "rho": "ρ",
    "sigma": "σ",
    "tau": "τ",
    "chi": "χ",
}
_LETTERS = "|".join(_GREEK)
_NUMBER = r"\d+(?:\.\d+)?(?:\(\d+\))?"

_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\bchi2\b"), "χ²"),
    # 8.0(5)e-04 and 1.83e+03
    (re.compile(r"(?<![\w.])(-?\d[\d.]*(?:\(\d+\))?)e\+?(-?)0*(\d+)\b"), r"\1 × 10^\2\3"),
    (re.compile(r"(?<=\d)\.\.(?=\d)"), "–"),
    (re.compile(r"&lt;&lt;"), "≪"),
    (re.compile(r"&gt;&gt;"), "≫"),
    (re.compile(r"&lt;="), "≤"),
    (re.compile(r"&gt;="), "≥"),
    (re.compile(r"\|\|w\|\|"), "‖w‖"),
    (re.compile(r"\bdw\b(?= ~)"), "Δw"),
    (re.compile(r"-&gt;"), "→"),
    (re.compile(r"\+-"), "±"),
    (re.compile(r",(?=input_dim=)"), ", "),
    (re.compile(r"\binput_dim="), "d = "),
    (re.compile(rf"\b(?<![\[,])({_LETTERS})=(?=[\d.])"), r"\1 = "),
    (re.compile(r"(?<=\d)%"), " %"),
)
_INDEX = re.compile(
    rf"(?<![\w&#])((?:{_LETTERS}|T|w|B|r|S|AIC|κ|σ|η|a|b|x)(?:\*)?)"
    r"_(lazy|noise|test|sec|short|long|opt|edge|eff|star|perp|max|min|c|L|H|h|g|j|G|S|0|1|2)"
    r"((?:,(?:up|down))?)(?![\w])"
)
_POWER = re.compile(
    rf"\^(\([-−]?[^()\s]+\)|[-−]?{_NUMBER}(?:/\d+)?|[-−]?(?:{_LETTERS}|[a-zα-ω])\b)"
)
_GREEK_WORD = re.compile(rf"(?<![\w&\[])({_LETTERS})(?![\w\[])")
_MINUS = re.compile(r"(?<![\w)\]&#>-])-(?=[\d.])")
_RAISED = re.compile(r"<sup>([^<]*)</sup>")


def typeset(text: Any) -> Markup:
    """Return a sentence with its formulas as HTML; everything else is escaped.

    Text that is HTML already keeps its elements.

    >>> str(typeset("a[noise] of T_noise = 4.6(2) P^-0.325(5), chi2/dof = 2.3/3"))
    'a[noise] of T<sub>noise</sub> = 4.6(2) P<sup>−0.325(5)</sup>, χ²/dof = 2.3/3'
    >>> str(typeset("dw ~ T^delta at n_train=64 < P, -1.2(3)e-05"))
    'Δw ~ T<sup>δ</sup> at n_train=64 &lt; P, −1.2(3) × 10<sup>−5</sup>'
    """
    shown = str(escape(text))
    for pattern, replacement in _RULES:
        shown = pattern.sub(replacement, shown)
    shown = _INDEX.sub(_lowered, shown)
    shown = _POWER.sub(lambda match: f"<sup>{_bare(match[1])}</sup>", shown)
    shown = _GREEK_WORD.sub(lambda match: _GREEK[match[1]], shown)
    shown = _RAISED.sub(lambda match: f"<sup>{match[1].replace('-', '−')}</sup>", shown)
    return Markup(_MINUS.sub("−", shown))


def _lowered(match: re.Match[str]) -> str:
    symbol = _GREEK.get(match[1], match[1])
    index = {"perp": "⊥", "star": "*"}.get(match[2], match[2])
    return f"{symbol}<sub>{index}{match[3]}</sub>"


def _bare(exponent: str) -> str:
    """Return an exponent without brackets around the whole of it."""
    inner = exponent[1:-1] if exponent.startswith("(") else exponent
    return _GREEK.get(inner, inner)


def key(text: str) -> Markup:
    """Return a key of report.json as code that may be broken after its commas.

    >>> str(key("a[lazy,c=0.1]"))
    '<code>a[lazy,<wbr>c=0.1]</code>'
    """
    return Markup(f"<code>{str(escape(text)).replace(',', ',<wbr>')}</code>")
