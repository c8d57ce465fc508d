import re
import shutil

import pytest
from support import annotation_exports

from preannotate.formats import FORMATS, read_export
from preannotate.formats.records import DatasetError


def test_a_folder_in_a_folder_is_read_as_its_format(tmp_path):
    annotation_exports.coco(tmp_path / "outer" / "inner")

    recognised = read_export(tmp_path / "outer.zip", tmp_path / "outer")

    assert (recognised.format, recognised.title, len(recognised.export.frames)) == ("coco", "COCO 1.0", 3)


def test_an_export_without_images_says_how_to_get_them(tmp_path):
    export = annotation_exports.cvat_images(tmp_path / "export")
    shutil.rmtree(export / "images")
    sentence = (
        "export: CVAT for images 1.1 with 3 frames but no images; expected their images too. "
        "Export again in CVAT with 'Save images' switched on."
    )
    with pytest.raises(DatasetError, match=f"^{re.escape(sentence)}$"):
        read_export(export, export)


TITLES = ", ".join(known.title for known in FORMATS.values())


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        (
            ["notes.md", "1.csv", "2.csv", "3.csv", "4.csv", "5.csv"],
            "export: no known annotation format (found 1.csv, 2.csv, 3.csv, 4.csv, 5.csv and 1 more); expected one "
            f"of: {TITLES}. Export the task in CVAT in one of these formats.",
        ),
        (
            ["a.jpg"],
            f"export: images without annotations (found a.jpg); expected one of: {TITLES}. "
            "Export the task in CVAT in one of these formats.",
        ),
        (
            [],
            f"export: no known annotation format (found nothing); expected one of: {TITLES}. "
            "Export the task in CVAT in one of these formats.",
        ),
        (
            ["task.json", "annotations.json"],
            f"export: a CVAT backup, which is not read; expected one of: {TITLES}. "
            "Choose 'Export task dataset' in CVAT instead of 'Backup task'.",
        ),
    ],
)
def test_an_unknown_folder_is_described_with_the_formats_that_are_known(tmp_path, files, sentence):
    (tmp_path / "export").mkdir()
    for name in files:
        annotation_exports.write_text(tmp_path / "export" / name, "[]")
    with pytest.raises(DatasetError, match=f"^{re.escape(sentence)}$"):
        read_export(tmp_path / "export", tmp_path / "export")
