import pytest

from preannotate.cvat.images import image_file_names
from preannotate.cvat.tasks import Task


def names(*images, video=False, start=0, step=1):
    count = 3 if video else len(images)
    task = Task(12, "t", video, count, "", "", start, step, images, (), frozenset(), {}, ())
    return image_file_names(task)


def test_images_keep_their_names_and_folders():
    assert names("a/cam 1.jpg", "b/Ü日.PNG", "c.d.jpeg") == [
        "task-12/a/cam 1.jpg",
        "task-12/b/Ü日.PNG",
        "task-12/c.d.jpeg",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd.jpg", "/etc/a.jpg", "a//b.jpg", "./a.jpg", "a\\b.jpg", "c:a.jpg", "a\nb.jpg", "page", "a.txt",
        " a.jpg", "a /b.jpg", ".../a.jpg", "a\ud800.jpg", "ä" * 120 + ".jpg", "",
    ],
)  # fmt: skip
def test_a_name_that_some_file_system_cannot_take_is_replaced(name):
    assert names("ok.jpg", name) == ["task-12/ok.jpg", "task-12/unnamed-000001"]


def test_names_that_differ_in_case_alone_are_replaced():
    assert names("a.jpg", "A.JPG", "b.jpg") == ["task-12/unnamed-000000", "task-12/unnamed-000001", "task-12/b.jpg"]


def test_frames_of_a_video_are_called_by_their_number_in_it():
    assert names(video=True, start=10, step=5) == [f"task-12/frame_{number:06d}" for number in (10, 15, 20)]
