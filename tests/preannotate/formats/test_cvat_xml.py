import defusedxml.ElementTree
import pytest

from preannotate.formats import cvat_images
from preannotate.formats.cvat_xml import CvatLabel, CvatTask, is_writable
from preannotate.formats.errors import DatasetError
from preannotate.formats.records import Export, Frame, Shape


def written(*frames, labels=()):
    return cvat_images.write(Export(labels, frames))["annotations.xml"]


def test_names_with_xml_characters_come_back():
    name, label = 'a/"b" & <c>.jpg', "nut & <bolt>'\"\n"
    shape = Shape(label, "box", (0.0, 1.005, 19.996, 10.0), source="auto", occluded=True)

    root = defusedxml.ElementTree.fromstring(
        written(Frame(name, None, (shape,), declared_size=(20, 10)), labels=(label,))
    )

    assert root.findtext("version") == "1.1"
    assert root.findtext("meta/task/labels/label/name") == label
    (parsed,) = root.findall("image")
    assert parsed.get("name") == name
    (found,) = parsed
    assert (found.get("label"), found.get("source"), found.get("occluded")) == (label, "auto", "1")
    assert [found.get(key) for key in ("xtl", "ytl", "xbr", "ybr")] == ["0.00", "1.00", "20.00", "10.00"]


def test_a_task_without_images_is_still_a_task():
    root = defusedxml.ElementTree.fromstring(written(labels=("a",)))

    assert (root.findtext("meta/task/size"), root.findtext("meta/task/stop_frame")) == ("0", "0")


def test_several_tasks_are_one_project():
    frames = [Frame(f"task-{task}/a.jpg", None, (), declared_size=(4, 3), task_id=task, frame=7) for task in ("1", "2")]
    tasks = [CvatTask("1", "<first>", 9, video=True), CvatTask("2", "second", 9, video=False)]

    pieces = cvat_images.write_tasks(frames, [CvatLabel("cat", "#ff0000", "any")], tasks, name="both")

    root = defusedxml.ElementTree.fromstring(b"".join(pieces))
    assert root.findtext("meta/project/name") == "both"
    listed = root.findall("meta/project/tasks/task")
    assert [(task.findtext("name"), task.findtext("mode")) for task in listed] == [
        ("<first>", "interpolation"),
        ("second", "annotation"),
    ]
    assert [(image.get("id"), image.get("task_id")) for image in root.findall("image")] == [("7", "1"), ("7", "2")]


def test_a_shape_without_its_outline_is_written_as_its_box():
    polygon = Shape("cat", "polygon", (1.0, 2.0, 3.0, 4.0))
    outlined = Shape("cat", "polygon", (1.0, 2.0, 3.0, 4.0), outline={"points": "1,2;3,2;3,4"})

    root = defusedxml.ElementTree.fromstring(written(Frame("a", None, (polygon, outlined), declared_size=(9, 9))))

    (image,) = root.findall("image")
    assert [(shape.tag, shape.get("points")) for shape in image] == [("box", None), ("polygon", "1,2;3,2;3,4")]


def test_control_characters_cannot_be_written():
    assert is_writable("ä/日本 \t\n🔩.jpg")
    assert not any(is_writable(f"a{letter}") for letter in ("\x00", "\x1b", "\ud800", "\ufffe"))
    with pytest.raises(DatasetError, match=r"'a\\x1b'"):
        written(Frame("a\x1b", None, (), declared_size=(9, 9)))
