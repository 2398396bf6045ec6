r"""How text that a peer controls (names, subjects, protocols) is made harmless for the place it is shown in.

`visible` is the base of all: what a terminal could act on (control characters, escape sequences) or what
reorders or hides text (bidirectional overrides, zero-width characters) becomes an escape such as `\x1b` or
`\u202e`. It is for eyes, not for reading back: a backslash stays as it is, JSON holds the exact text.
"""

import re
from html import escape

_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Signs that begin a formula, and their full-width forms."""


def visible(text: str) -> str:
    """Return one line of printable characters: for terminals, and where every other format begins."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _code_point(c) for c in text)


def csv(text: str) -> str:
    """For a CSV cell: `'` before what a spreadsheet would take for a formula."""
    text = visible(text)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text


def html(text: str) -> str:
    """For HTML, as text or inside a quoted attribute."""
    return escape(visible(text))


def markdown(text: str) -> str:
    """For GitHub's Markdown, also in a table cell: no HTML, link, emphasis, code, mention or formula."""
    text = re.sub(r"[\\`*_\[\]<>&|~$#]", r"\\\g<0>", visible(text))
    text = re.sub(r"(?i)(?<=www)\.|(?<=:)/(?=/)", r"\\\g<0>", text)
    return text.replace("@", "@<!-- -->")


def markdown_code(text: str) -> str:
    """For GitHub's Markdown as a code span, the safest place for a name, also in a table cell."""
    text = visible(text).replace("`", r"\x60").replace("|", r"\|")
    return f"`{text}`" if text.strip() else "` `"


def mermaid(text: str) -> str:
    """For the text of a Mermaid message, note or participant."""
    text = re.sub(r"[^\w .,()/=+-]", lambda match: f"#{ord(match[0])};", visible(text), flags=re.ASCII)
    return re.sub(r"(?i)\bend\b", lambda match: f"#{ord(match[0][0])};{match[0][1:]}", text)


def plantuml(text: str) -> str:
    """For the text of a PlantUML message, note or participant."""
    return re.sub(r"[^\w .,:()/=+-]|(?<=[/_-])[/_-]", lambda match: f"<U+{ord(match[0]):04X}>", visible(text))


def dot(text: str) -> str:
    """For a double-quoted string of Graphviz, such as a label."""
    return visible(text).replace("\\", r"\\").replace('"', r"\"")


def _code_point(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
