"""Names are written by RFC 4514, compared by RFC 5280 and matched by RFC 9525."""

import pki_builder as made
import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st
from pki_builder import tlv

from analyzer.pki import der
from analyzer.pki.names import GeneralName, Name, dns_matches, match


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        (" both ends ", "\\ both ends\\ "),
        (" ", "\\ "),
        ("#1", "\\#1"),
        ("a#1", "a#1"),
        ('a,b+c"d;e<f>g\\h', 'a\\,b\\+c\\"d\\;e\\<f\\>g\\\\h'),
        ("nul\0 tab\t esc\x1b del\x7f", "nul\\00 tab\\09 esc\\1B del\\7F"),
        ("\u202eevil", "\u202eevil"),
    ],
)
def test_values_are_escaped(value, text):
    assert Name(made.name(f"CN={value}")).text == f"CN={text}"


def test_the_most_specific_comes_first_and_multiple_values_are_joined():
    both = tlv(
        0x31,
        tlv(0x30, made.object_identifier("2.5.4.3"), tlv(0x13, b"a")),
        tlv(0x30, made.object_identifier("0.9.2342.19200300.100.1.1"), tlv(0x13, b"b")),
    )
    country = tlv(0x31, tlv(0x30, made.object_identifier("2.5.4.6"), tlv(0x13, b"XX")))
    assert Name(tlv(0x30, country, both)).text == "CN=a+UID=b,C=XX"


def test_unknown_types_and_values_that_are_no_string_are_hexadecimal():
    assert Name(made.name("1.2.3.4=x")).text == "1.2.3.4=#0c0178"
    assert Name(made.name("CN=x", tag=0x02)).text == "CN=#020178"
    assert (
        Name(tlv(0x30, tlv(0x31, tlv(0x30, made.object_identifier("2.5.4.3"), tlv(0x0C, b"\xff"))))).text
        == "CN=#0c01ff"
    )


@given(st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20))
def test_the_text_reads_back_as_the_same_name(value):
    text = Name(made.name("O=Test", f"CN={value}")).text
    read = x509.Name.from_rfc4514_string(text)
    assert read.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value == value


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (made.name("CN=Straße"), made.name("CN=STRASSE"), True),
        (made.name("CN=a  b "), made.name("CN=A b"), True),
        (made.name("CN=a", tag=0x13), made.name("CN=a", tag=0x1E, encoding="utf-16-be"), True),
        (made.name("CN=a", "O=b"), made.name("O=b", "CN=a"), False),
        (made.name("CN=a"), made.name("O=a"), False),
        (made.name("CN=ab"), made.name("CN=a b"), False),
        (made.name("CN=a"), made.name("CN=a", "CN=a"), False),
    ],
)
def test_names_are_equal_beyond_case_spaces_and_string_type(one, other, equal):
    assert (Name(one) == Name(other)) == equal
    assert (len({Name(one), Name(other)}) == 1) == equal


@pytest.mark.parametrize(
    ("reference", "pattern", "same"),
    [
        ("www.example.test", "www.example.test", True),
        ("WWW.Example.test.", "www.EXAMPLE.test", True),
        ("www.example.test", "*.example.test", True),
        ("example.test", "*.example.test", False),
        ("a.b.example.test", "*.example.test", False),
        ("a.b.example.test", "*.*.example.test", False),
        ("www.example.test", "w*.example.test", False),
        ("www.example.test", "www.*.test", False),
        ("www.example.test", "*", False),
        (".example.test", "*.example.test", False),
        ("bücher.example", "xn--bcher-kva.example", True),
        ("", "", False),
        ("x" * 70 + "ü.example", "*.example", True),
    ],
)
def test_host_names(reference, pattern, same):
    assert dns_matches(reference, pattern) == same


@pytest.mark.parametrize(
    ("reference", "presented", "same"),
    [
        ("192.0.2.1", GeneralName("IP", "", b"\xc0\0\2\1"), True),
        ("192.0.2.1", GeneralName("DNS", "192.0.2.1", b""), False),
        ("192.0.2.1", GeneralName("IP", "", b"\xc0\0\2\2"), False),
        ("::1", GeneralName("IP", "", bytes(15) + b"\1"), True),
        ("[0:0::1]", GeneralName("IP", "", bytes(15) + b"\1"), True),
        ("a.test", GeneralName("URI", "a.test", b"a.test"), False),
    ],
)
def test_addresses_match_addresses_only(reference, presented, same):
    assert (match(reference, [presented]) is presented) == same


@pytest.mark.parametrize("attribute", [b"", b"\x06\x03\x55\x04\x03", b"\x05\x00\x05\x00"])
def test_an_attribute_without_a_type_or_a_value_is_damage(attribute):
    with pytest.raises(der.DerError):
        Name(tlv(0x30, tlv(0x31, tlv(0x30, attribute))))


@given(st.binary(max_size=200))
def test_damage_is_said_to_be_damage(encoded):
    try:
        assert Name(encoded).text is not None
    except der.DerError as error:
        assert str(error)


@given(st.lists(st.integers(0, 2**40), max_size=8), st.integers(0, 2), st.integers(0, 39))
def test_object_identifiers_read_back(arcs, first, second):
    dotted = ".".join(map(str, (first, second, *arcs)))
    assert der.dotted(der.oid(dotted)) == dotted
