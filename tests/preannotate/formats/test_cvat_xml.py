from preannotate.formats.cvat_xml import is_writable


def test_control_characters_cannot_be_written():
    assert is_writable("ä/日本 \t\n🔩.jpg")
    assert not any(is_writable(f"a{letter}") for letter in ("\x00", "\x1b", "\ud800", "\ufffe"))
