"""Hostile text does no harm wherever it is shown."""

import re
import shutil
import subprocess
import unicodedata
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.report import escape

TEXT = st.text(st.characters(), max_size=40) | st.text("\x1b\x07\r\n\t\x00\x7f\x9b\u202e\u2066`|*_<>[]()=+-@#;\"'\\ae")
EVERY = [
    escape.visible, escape.csv, escape.html, escape.markdown, escape.markdown_code,
    escape.mermaid, escape.plantuml, escape.dot,
]  # fmt: skip


@pytest.mark.parametrize("function", EVERY, ids=lambda function: function.__name__)
@given(text=TEXT)
def test_nothing_that_controls_or_hides_survives(function, text):
    made = function(text)
    assert not {unicodedata.category(character) for character in made} & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


@given(text=st.text(st.characters(categories=["L", "N"]), max_size=40))
def test_letters_and_digits_of_every_script_stay(text):
    assert escape.visible(text) == escape.csv(text) == escape.html(text) == text


def test_what_a_terminal_acts_on_is_spelt_out():
    assert escape.visible("a\x1b[31m\u202eb\U000e0001\x9b") == r"a\x1b[31m\u202eb\U000e0001\x9b"


@given(TEXT)
def test_csv_cell_never_begins_a_formula(text):
    assert not escape.csv(text).lstrip(" ").startswith(("=", "+", "-", "@"))


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "  =1", "\t=1", "\uff1d1"])
def test_csv_formula_becomes_text(formula):
    assert escape.csv(formula)[0] in "'\\"


@given(TEXT)
def test_html_reads_back_as_plain_text(text):
    seen = []
    parser = HTMLParser(convert_charrefs=True)
    parser.handle_starttag = parser.handle_endtag = parser.handle_comment = pytest.fail
    parser.handle_data = seen.append
    parser.feed(escape.html(text))
    parser.close()
    assert "".join(seen) == escape.visible(text)


@given(TEXT)
def test_markdown_leaves_no_markup_unescaped(text):
    without_escapes = re.sub(r"\\[!-/:-@\[-`{-~]|@<!-- -->", " ", escape.markdown(text))
    assert not re.search(r"[\\`*_\[\]<>&|~$#@]|://|www\.", without_escapes, re.IGNORECASE)


@given(TEXT)
def test_markdown_code_span_cannot_be_left(text):
    made = escape.markdown_code(text)
    assert made[0] == made[-1] == "`" and "`" not in made[1:-1]
    assert not re.search(r"(?<!\\)\|", made)


@given(TEXT)
def test_mermaid_text_has_no_syntax(text):
    assert re.fullmatch(r"(#\d+;|[\w .,()/=+-])*", escape.mermaid(text), re.ASCII)


def test_mermaid_word_end_does_not_close_a_block():
    assert "end" not in escape.mermaid("the end").split()
    assert escape.mermaid("sender") == "sender"


@given(TEXT)
def test_plantuml_text_has_no_syntax(text):
    plain = re.sub(r"<U\+[0-9A-F]{4,6}>", " ", escape.plantuml(text))
    assert not re.search(r"[<>\[\]*~\"\\%!&$|'#]|//|--|__", plain)


@pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz is not installed")
def test_dot_label_is_one_string_to_graphviz():
    hostile = 'a"];evil[label="\\" b\\'
    source = f'digraph {{ node_a [label="{escape.dot(hostile)}"]; }}'
    made = subprocess.run(["dot", "-Tplain"], input=source, capture_output=True, text=True, check=True).stdout
    assert made.count("\nnode ") == 1
