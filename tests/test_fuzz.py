"""Damaged copies of the sample captures make the analyzer neither fail nor contradict itself."""

import importlib.util
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest
from lab.mutate import Mutator
from manifest import CAPTURES

COPIES = 150


def script() -> ModuleType:
    loader = SourceFileLoader("fuzz", str(Path(__file__).parents[1] / "scripts" / "fuzz"))
    spec = importlib.util.spec_from_loader("fuzz", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_a_seed_and_a_number_always_make_the_same_copy():
    one, other = Mutator(CAPTURES, 1), Mutator(CAPTURES, 1)
    assert [one.copy(number) for number in (5, 6, 7)] == [other.copy(number) for number in (5, 6, 7)]
    assert one.copy(5) != Mutator(CAPTURES, 2).copy(5)


def test_copies_differ_from_the_originals_and_often_hold_handshakes_all_the_same():
    originals = {path.read_bytes() for path in CAPTURES.iterdir() if path.is_file()}
    copies = [Mutator(CAPTURES, 3).copy(number) for number in range(40)]
    assert sum(copy in originals for copy in copies) <= 4
    assert sum(b"\x16\x03" in copy for copy in copies) > 20


@pytest.mark.parametrize("first", range(0, COPIES, 50))
def test_copies_are_analyzed_without_a_fault(first):
    fuzz = script()
    mutator = Mutator(CAPTURES, 20261123)
    for number in range(first, first + 50):
        try:
            fuzz.examine(mutator.copy(number))
        except Exception as error:
            raise AssertionError(f"copy {number}") from error


def test_the_script_keeps_what_fails(tmp_path, monkeypatch, capsys):
    fuzz = script()
    monkeypatch.setattr(fuzz, "examine", lambda data: 1 / 0)

    class At:
        value = 0

    fuzz.work(4, range(2), tmp_path, At())
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == ["4-0.capture", "4-0.txt", "4-1.capture", "4-1.txt"]
    assert (tmp_path / "4-0.capture").read_bytes() == Mutator(CAPTURES, 4).copy(0)
    assert "ZeroDivisionError" in capsys.readouterr().out
