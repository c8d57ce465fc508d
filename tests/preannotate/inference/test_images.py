import re

import pytest

from preannotate.inference.images import InferenceError, find_images


def test_folders_are_searched_in_order_and_without_hidden_files(tmp_path):
    touch(tmp_path, "b.JPG", "a/2.png", "a/1.webp", "notes.txt", "._b.JPG", ".thumbnails/b.jpg")

    assert names(find_images([tmp_path])) == ["a/1.webp", "a/2.png", "b.JPG"]


def test_a_file_that_is_named_is_taken_whatever_its_name(tmp_path):
    touch(tmp_path, "frame", "z.png")

    assert names(find_images([tmp_path / "z.png", tmp_path / "frame"])) == ["z.png", "frame"]


def test_an_image_that_is_given_twice_counts_once(tmp_path):
    touch(tmp_path, "a.png", "b.png")

    assert names(find_images([tmp_path / "b.png", tmp_path, tmp_path])) == ["b.png", "a.png"]


def test_a_folder_inside_may_be_left_out_but_not_one_around(tmp_path):
    touch(tmp_path, "in/a.png", "in/out/a.png")

    assert names(find_images([tmp_path / "in"], leave_out=tmp_path / "in" / "out")) == ["a.png"]
    assert names(find_images([tmp_path / "in"], leave_out=tmp_path)) == ["a.png", "out/a.png"]


def test_a_path_that_does_not_exist_is_refused(tmp_path):
    with refusal(f"{tmp_path / 'no'}: no such file or folder; expected images or folders of images."):
        find_images([tmp_path / "no"])


def test_a_folder_without_images_is_refused(tmp_path):
    touch(tmp_path, "notes.txt")

    with refusal(
        f"{tmp_path}: no images; expected files such as .apng, .avif, .bmp, .gif, .j2k, .jfif, .jp2, .jpe, .jpeg, "
        ".jpg, .jpx, .mpo, .pbm, .pgm, .png, .pnm, .ppm, .tif, .tiff, .webp."
    ):
        find_images([tmp_path])


def test_two_images_of_one_name_are_refused(tmp_path):
    touch(tmp_path, "x/a.png", "y/a.png")

    with refusal(
        f"{tmp_path / 'y' / 'a.png'}: has the name 'a.png', as {tmp_path / 'x' / 'a.png'} has; "
        f"expected different names. Give the folder that holds both."
    ):
        find_images([tmp_path / "x", tmp_path / "y"])


def touch(folder, *paths):
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"")


def names(images):
    return [image.name for image in images]


def refusal(sentence):
    return pytest.raises(InferenceError, match=f"^{re.escape(sentence)}$")
