import defusedxml.ElementTree

from preannotate.formats.cvat_xml_writer import CvatImage, annotations_xml, box, is_writable


def test_names_with_xml_characters_come_back():
    name, label = 'a/"b" & <c>.jpg', "nut & <bolt>'\"\n"
    image = CvatImage(name, (20, 10), (box(label, (0.0, 1.005, 19.996, 10.0), source="auto", occluded=True),))

    root = defusedxml.ElementTree.fromstring(annotations_xml([image], [label], task="<t>"))

    assert root.findtext("version") == "1.1"
    assert root.findtext("meta/task/name") == "<t>"
    assert root.findtext("meta/task/labels/label/name") == label
    (parsed,) = root.findall("image")
    assert parsed.get("name") == name
    (found,) = parsed
    assert (found.get("label"), found.get("occluded")) == (label, "1")
    assert [found.get(key) for key in ("xtl", "ytl", "xbr", "ybr")] == ["0.00", "1.00", "20.00", "10.00"]


def test_a_task_without_images_is_still_a_task():
    root = defusedxml.ElementTree.fromstring(annotations_xml([], ["a"], task="t"))

    assert (root.findtext("meta/task/size"), root.findtext("meta/task/stop_frame")) == ("0", "0")


def test_control_characters_cannot_be_written():
    assert is_writable("ä/日本 \t\n🔩.jpg")
    assert not any(is_writable(f"a{letter}") for letter in ("\x00", "\x1b", "\ud800", "\ufffe"))
