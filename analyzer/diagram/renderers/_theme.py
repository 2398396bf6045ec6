"""Which colours do the pictures have?"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from analyzer.diagram.sequence import Theme

Color = Literal[
    "paper", "ink", "dim", "rule", "band", "card", "note", "note-edge", "cleartext", "encrypted", "decrypted",
    "inferred", "good", "good-paper", "bad", "bad-paper", "open", "open-paper", "on-dark",
]  # fmt: skip

THEMES: Mapping[Theme, Mapping[Color, str]] = MappingProxyType(
    {
        "light": {
            "paper": "#ffffff",
            "ink": "#1d2433",
            "dim": "#667085",
            "rule": "#c5ccd8",
            "band": "#f5f7fa",
            "card": "#ffffff",
            "note": "#fdf9ec",
            "note-edge": "#e3d5a6",
            "cleartext": "#475467",
            "encrypted": "#3b54b4",
            "decrypted": "#0c7d85",
            "inferred": "#3b54b4",
            "good": "#20803f",
            "good-paper": "#eef8f0",
            "bad": "#c2251d",
            "bad-paper": "#fdf0ef",
            "open": "#96690b",
            "open-paper": "#fdf6e5",
            "on-dark": "#ffffff",
        },
        "dark": {
            "paper": "#12161f",
            "ink": "#e7eaf0",
            "dim": "#98a2b3",
            "rule": "#434c5e",
            "band": "#1a202d",
            "card": "#1c2230",
            "note": "#26241b",
            "note-edge": "#5b5232",
            "cleartext": "#aab4c3",
            "encrypted": "#8aa2ff",
            "decrypted": "#4fc3c9",
            "inferred": "#8aa2ff",
            "good": "#63c97f",
            "good-paper": "#16261b",
            "bad": "#ff7a70",
            "bad-paper": "#2d1917",
            "open": "#e0b040",
            "open-paper": "#292313",
            "on-dark": "#12161f",
        },
    }
)
