"""For mkdocs: references in docstrings, which are written for Sphinx, become plain names."""

from __future__ import annotations

import re

ROLE = re.compile(
    r":(?:func|class|meth|data|mod|attr):\s*<code>[~.]*([^<]*)</code>|:(?:func|class|meth|data|mod|attr):`[~.]*([^`]*)`"
)


def on_page_content(html: str, **kwargs: object) -> str:
    return ROLE.sub(lambda found: f"<code>{found[1] or found[2]}</code>", html)
