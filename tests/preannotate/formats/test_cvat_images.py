import defusedxml.ElementTree
import pytest
from support import annotation_exports

from preannotate.formats import cvat_images
from preannotate.formats.cvat_xml import CvatLabel, CvatTask
from preannotate.formats.outlines import Polygons
from preannotate.formats.records import DatasetError, Export, Frame, Shape


def read(folder, shapes, meta=None):
    meta = annotation_exports.cvat_meta(labels=("cat",)) if meta is None else meta
    image = f'<image id="3" name="a.jpg" width="200" height="100">{shapes}</image>'
    annotation_exports.write_text(folder / "annotations.xml", f"<annotations>{meta}{image}</annotations>")
    return cvat_images.read(folder)


@pytest.mark.parametrize(
    ("element", "kind", "box"),
    [
        ('<box label="cat" xtl="10" ytl="10" xbr="50" ybr="30"/>', "box", (10, 10, 50, 30)),
        ('<box label="cat" xtl="10" ytl="10" xbr="50" ybr="30" rotation="90.00"/>', "rotated box", (20, 0, 40, 40)),
        ('<polygon label="cat" points="1.00,2.00;30.00,2.00;15.00,40.00"/>', "polygon", (1, 2, 30, 40)),
        ('<polygon label="cat" points=" 1 , 2 ; 30,2;15,40;"/>', "polygon", (1, 2, 30, 40)),
        ('<ellipse label="cat" cx="50" cy="40" rx="10" ry="5"/>', "ellipse", (40, 35, 60, 45)),
        ('<ellipse label="cat" cx="50" cy="40" rx="10" ry="5" rotation="90"/>', "ellipse", (45, 30, 55, 50)),
        # rows of 4 at (100, 50): ...X / XX.. / ....
        ('<mask label="cat" rle="3, 3, 6" left="100" top="50" width="4" height="3"/>', "mask", (100, 50, 104, 52)),
        ('<mask label="cat" rle="12" left="100" top="50" width="4" height="3"/>', "mask", None),
        ('<points label="cat" points="1,2"/>', "points", (1, 2, 1, 2)),
        ('<polyline label="cat" points="1,2;3,4"/>', "polyline", (1, 2, 3, 4)),
        ('<cuboid label="cat" xtl1="1"/>', "cuboid", None),
        ('<cuboid label="cat" xtl1="1" ytl1="2" xbr1="7" ybr1="9" xtr2="5" ytr2="0"/>', "cuboid", (1, 0, 7, 9)),
        (
            '<skeleton label="cat"><points label="head" points="1,1"/><points outside="1" points="9,9"/>'
            '<points points="4,7"/></skeleton>',
            "skeleton",
            (1, 1, 4, 7),
        ),
        ('<tag label="cat"/>', "tag", None),
    ],
)
def test_each_kind_of_shape_gives_its_tight_box(tmp_path, element, kind, box):
    (shape,) = read(tmp_path, element).frames[0].shapes

    assert (shape.label, shape.kind, shape.automatic) == ("cat", kind, False)
    assert shape.box == (None if box is None else pytest.approx(box))


def test_labels_that_cannot_have_a_box_are_no_classes(tmp_path):
    types = ("any", "rectangle", "polygon", "mask", "ellipse", "tag", "points", "polyline", "cuboid", "skeleton")
    listed = "".join(f"<label><name>{kind}</name><type>{kind}</type></label>" for kind in types)
    listed += "<label><name>head</name><type>any</type><parent>skeleton</parent></label><label><name>old</name></label>"
    meta = f"<meta><project><labels>{listed}</labels></project></meta>"

    assert read(tmp_path, "", meta).labels == ("any", "rectangle", "polygon", "mask", "ellipse", "old")


@pytest.mark.parametrize(
    ("element", "label", "problem", "box"),
    [
        ('<box label="cat" xtl="1" ytl="nan" xbr="5" ybr="5"/>', "cat", "with coordinates that are no numbers", None),
        ('<box label="cat" xtl="1" ytl="2" xbr="5"/>', "cat", "with coordinates that are no numbers", None),
        (
            '<polygon label="cat" points="1,2;3;9,8"/>',
            "cat",
            "with coordinates that are no numbers",
            (1, 2, 9, 8),
        ),
        ('<polygon label="cat" points="1,2;9,8"/>', "cat", "polygon of fewer than three points", (1, 2, 9, 8)),
        (
            '<mask label="cat" rle="3, 3" left="2" top="1" width="4" height="3"/>',
            "cat",
            "mask whose runs do not fill its size",
            (2, 1, 6, 4),
        ),
        ('<box xtl="1" ytl="1" xbr="5" ybr="5"/>', "", "without a label", (1, 1, 5, 5)),
    ],
)
def test_an_odd_shape_is_left_out_with_its_place(tmp_path, element, label, problem, box):
    odd, good = read(tmp_path, element + annotation_exports.cvat_box("cat", (1, 1, 9, 9))).frames[0].shapes

    assert (odd.label, odd.problem, odd.box) == (label, problem, box)
    assert odd.where == f"annotations.xml: image 'a.jpg' (#3), {element[1:].split()[0]} 1"
    assert (good.problem, good.box) == ("", (1, 1, 9, 9))


def test_an_image_without_a_size_is_read_and_one_without_a_name_left_out(tmp_path):
    annotation_exports.write_text(
        tmp_path / "annotations.xml", '<annotations><image id="0" name="a.jpg"/><image id="1"/></annotations>'
    )
    export = cvat_images.read(tmp_path)

    assert [(frame.name, frame.declared_size) for frame in export.frames] == [("a.jpg", None)]
    assert [(entry.reason, entry.where) for entry in export.left_out] == [
        ("entry that is not understood", "annotations.xml: image #1")
    ]


@pytest.mark.parametrize("text", ["", "<annotations><image", "<annotations><meta></annotations>"])
def test_damaged_xml_is_still_recognised_and_named(tmp_path, text):
    annotation_exports.write_text(tmp_path / "annotations.xml", text)

    assert cvat_images.recognise(tmp_path)
    with pytest.raises(DatasetError, match=r"^annotations.xml: .*; expected XML\. Export again\.$"):
        cvat_images.read(tmp_path)


def test_images_before_the_place_where_a_file_ends_are_read(tmp_path):
    box = annotation_exports.cvat_box("cat", (1, 1, 9, 9))
    annotation_exports.write_text(
        tmp_path / "annotations.xml",
        f'<annotations><image id="0" name="a.jpg">{box}</image>\n<image id="1" name="b.jpg">{box}',
    )
    export = cvat_images.read(tmp_path)

    assert [frame.name for frame in export.frames] == ["a.jpg"]
    assert [(entry.reason, entry.where) for entry in export.left_out] == [
        ("annotation file that cannot be read", "annotations.xml: no element found: line 2, column 110")
    ]
    assert export.notes == (
        "annotations.xml: no element found: line 2, column 110: what comes after it is not used. Export again.",
    )


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
    outlined = Shape("cat", "polygon", (1.0, 2.0, 3.0, 4.0), outline=Polygons.of([(1.0, 2.0, 3.0, 2.0, 3.0, 4.0)]))

    root = defusedxml.ElementTree.fromstring(written(Frame("a", None, (polygon, outlined), declared_size=(9, 9))))

    (image,) = root.findall("image")
    assert [(shape.tag, shape.get("points")) for shape in image] == [
        ("box", None),
        ("polygon", "1.00,2.00;3.00,2.00;3.00,4.00"),
    ]


def test_a_name_that_xml_cannot_hold_is_named():
    with pytest.raises(DatasetError, match=r"'a\\x1b'"):
        written(Frame("a\x1b", None, (), declared_size=(9, 9)))
