"""Set formulas of the documentation as MathML, which browsers draw without a script.

``$...$`` stands in a line of text and ``$$...$$`` on lines of its own; code is left alone.
"""

import re
from typing import Any

from latex2mathml.converter import convert

_CODE_OR_FORMULA = re.compile(
    r"(?P<code>^```.*?^```|`[^`\n]+`)|\$\$(?P<block>.+?)\$\$|\$(?P<inline>[^$\n]+)\$",
    re.DOTALL | re.MULTILINE,
)
_MARK = re.compile("\ue000(\\d+)\ue001")
_formulas: dict[str, list[str]] = {}


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Replace formulas by marks that Markdown cannot misread."""
    found = _formulas[page.file.src_uri] = []

    def mark(match: re.Match[str]) -> str:
        if match["code"] is not None:
            return match["code"]
        if match["block"] is not None:
            formula = convert(match["block"].strip(), display="block")
            found.append(f'<div class="formula" tabindex="0">{formula}</div>')
        else:
            found.append(convert(match["inline"]))
        return f"\ue000{len(found) - 1}\ue001"

    return _CODE_OR_FORMULA.sub(mark, markdown)


def on_page_content(html: str, page: Any, **_: Any) -> str:
    """Put the formulas where their marks are."""
    found = _formulas.pop(page.file.src_uri, [])
    html = re.sub("<p>(\ue000\\d+\ue001)</p>", r"\1", html)
    return _MARK.sub(lambda match: found[int(match[1])], html)
