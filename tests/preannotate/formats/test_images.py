import unicodedata

import pytest

from preannotate.formats.file_tree import FileTree
from preannotate.formats.image_kinds import without_extension
from preannotate.formats.image_names import video_frame
from preannotate.formats.images import SEVERAL_FILES


@pytest.mark.parametrize(
    ("name", "stem"),
    [("a.jpg", "a"), ("a.b.JPEG", "a.b"), ("frame.v2", "frame.v2"), ("x/y.png", "x/y"), ("", ""), (".jpg", ".jpg")],
)
def test_only_image_extensions_are_taken_off(name, stem):
    assert without_extension(name) == stem


@pytest.mark.parametrize(
    ("name", "frame"),
    [
        ("frame_000012", 12),
        ("a/frame_000012.PNG", 12),
        ("frame_000003_1.png", 3),
        ("my_frame_000001.jpg", None),
        ("1.jpg", None),
    ],
)
def test_video_frames_are_known_by_their_name(name, frame):
    assert video_frame(name) == frame


JPEG = b"\xff\xd8\xff\xe0"


def files(tmp_path, *names):
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(JPEG)
    return FileTree(tmp_path)


def find(tmp_path, name, *names, **options):
    match = files(tmp_path, *names).images.find(name, **options)
    return match.name if match.path else match.problem or None


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.jpg", "images/a.jpg"),
        ("a", "images/a.jpg"),
        ("A.JPG", "images/a.jpg"),
        ("sub\\b", "images/sub/b.PNG"),
        ("data/obj/sub/b.png", "images/sub/b.PNG"),
        ("C:\\photos\\sub\\b.png", "images/sub/b.PNG"),
        ("twice", SEVERAL_FILES),
        ("twice.png", "images/twice.png"),
        ("other/twice.jpg", "other/twice.jpg"),
        ("../a.jpg", "images/a.jpg"),
        ("/etc/passwd", None),
        ("", None),
    ],
)
def test_an_image_is_found_by_what_people_call_it(tmp_path, name, found):
    names = ["images/a.jpg", "images/sub/b.PNG", "images/twice.jpg", "images/twice.png", "other/twice.jpg", "no.txt"]
    assert find(tmp_path, name, *names, roots=("images",)) == found


def test_decomposed_names_are_found_by_composed_ones(tmp_path):
    decomposed = unicodedata.normalize("NFD", "Ünï.jpg")

    assert find(tmp_path, "Ünï", decomposed, "other.jpg") == decomposed


def test_resource_forks_and_label_pictures_are_no_images(tmp_path):
    names = ("__MACOSX/a.jpg", "images/._a.jpg", "SegmentationClass/a.png", "images/a.jpg")
    images = files(tmp_path, *names).images.below("", leaving_out=("SegmentationClass",))

    assert list(images.paths) == ["images/a.jpg"]
