"""Let the keyboard reach what scrolls: wide tables and long signatures of the documentation.

Without it a reader who has no mouse cannot see the right end of a table on a narrow screen.
"""

import re
from typing import Any

_SCROLLING = re.compile(r"<table>|<pre[^>]*>(?:<span></span>)?<code>")


def on_page_content(html: str, **_: Any) -> str:
    """Put tables and blocks of code into the order of the Tab key."""
    return _SCROLLING.sub(lambda match: f'{match[0][:-1]} tabindex="0">', html)
