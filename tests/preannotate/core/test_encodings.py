import pytest

from preannotate.core.encodings import EncodingError, decode_text, read_text

WESTERN = "names: [Größe, Maß, 5 °C]"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be", "cp1252", "cp1250"]
)
def test_a_text_is_read_in_the_encoding_that_its_bytes_prove(encoding):
    assert decode_text(WESTERN.encode(encoding)) == WESTERN


def test_big_endian_marks_are_read():
    assert [decode_text("\ufeffbolt\r\nÜ\r".encode(name)) for name in ("utf-16-be", "utf-32-be")] == ["bolt\nÜ\n"] * 2


@pytest.mark.parametrize(
    ("text", "encoding", "message"),
    [
        ("names:\n- болт\n- гайка", "cp1251", "not UTF-8 but, as it seems, Windows-1251 ('болт')"),
        ("names:\n- болт\n- гайка", "koi8-r", "not UTF-8 but, as it seems, KOI8-R ('болт')"),
        ("- 螺栓\n- 齿轮", "gbk", "not UTF-8 but, as it seems, GBK ('螺栓')"),
        ("- ボルト\n- ギア", "cp932", "not UTF-8 but, as it seems, Shift-JIS ('ボルト')"),
        ("- 나사\n- 기어", "cp949", "not UTF-8 but, as it seems, EUC-KR ('나사')"),
        ("- śruba", "cp1250", "not UTF-8 but a Windows code page: 'œruba' in Windows-1252, 'śruba' in -1250"),
        ("- Größe", "cp850", "not UTF-8 but a Windows code page: 'Gr”áe' in Windows-1252, 'Gr”áe' in -1250"),
    ],
)
def test_an_encoding_that_could_be_several_is_named_and_not_read(text, encoding, message):
    with pytest.raises(EncodingError) as error:
        decode_text(text.encode(encoding))

    assert str(error.value) == message


def test_a_damaged_text_names_its_mark():
    with pytest.raises(EncodingError, match="not UTF-16, of which it has the mark"):
        decode_text(b"\xff\xfe\x00\xd8")


def test_no_more_than_the_limit_is_read(tmp_path):
    (tmp_path / "names.txt").write_text("bolt")

    assert read_text(tmp_path / "names.txt", max_bytes=4) == "bolt"
    with pytest.raises(EncodingError, match="more than 3 bytes"):
        read_text(tmp_path / "names.txt", max_bytes=3)


def test_a_megabyte_of_letters_is_looked_at_once():
    """A word is found by reading each letter once; 10^12 steps would never end."""
    assert decode_text(b"a" * (1 << 20) + b" Stra\xdfe") == "a" * (1 << 20) + " Straße"
