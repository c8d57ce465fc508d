import pytest
from support import annotation_exports

from preannotate.formats import cvat_video
from trainer.datasets import load_dataset


def track(frames, *, source="manual", label="cat"):
    """A track of boxes: frame -> (x, keyframe, outside)."""
    boxes = "".join(
        f'<box frame="{frame}" keyframe="{key}" outside="{outside}" xtl="{x}" ytl="0" xbr="{x + 10}" ybr="10"/>'
        for frame, (x, key, outside) in frames.items()
    )
    return f'<track id="0" label="{label}" source="{source}">{boxes}</track>'


def write(folder, tracks, *, mode="interpolation", names=None, size=3):
    for index, name in enumerate(names or [f"frame_{n:06d}.PNG" for n in range(size)]):
        annotation_exports.draw(folder / "images" / name, (40 + index, 30))
    meta = annotation_exports.cvat_meta(mode, labels=("cat",), size=size)
    annotation_exports.write_text(folder / "annotations.xml", f"<annotations>{meta}{tracks}</annotations>")
    return folder


def test_interpolated_boxes_count_and_outside_ones_do_not(tmp_path):
    export = write(tmp_path / "export", track({0: (0, 1, 0), 1: (5, 0, 0), 2: (9, 1, 1)}))
    dataset = load_dataset([export], tmp_path / "store", negatives=True)

    assert {s.name: s.boxes.tolist() for s in dataset.samples} == {
        "frame_000000.PNG": [[0, 0, 10, 10]],
        "frame_000001.PNG": [[5, 0, 15, 10]],
        "frame_000002.PNG": [],
    }
    assert len({s.group for s in dataset.samples}) == 1


def test_an_automatic_track_stays_out(tmp_path):
    tracks = track({0: (0, 1, 0)}) + track({0: (20, 1, 0), 1: (20, 0, 0)}, source="auto")
    dataset = load_dataset([write(tmp_path / "export", tracks)], tmp_path / "store")

    assert [s.boxes.tolist() for s in dataset.samples] == [[[0, 0, 10, 10]]]
    assert dataset.health.load_report.dropped == {"automatic": 2}


def test_frames_of_an_image_task_are_taken_in_order_where_every_order_agrees(tmp_path):
    """img_10 comes before img_2 by code point and after it by nature; the ends agree."""
    names = ["a.jpg", "img_10.jpg", "img_2.jpg", "z.jpg"]
    tracks = track({n: (n, 1, 0) for n in range(4)})
    export = write(tmp_path / "export", tracks, mode="annotation", names=names, size=4)
    dataset = load_dataset([export], tmp_path / "store")

    assert {s.name: s.boxes[0, 0] for s in dataset.samples} == {"a.jpg": 0, "z.jpg": 3}
    assert dataset.health.load_report.problems == {
        "image that the video format does not name: not used": ["frame 1", "frame 2"]
    }
    assert dataset.health.load_report.notes == [
        "export: the video format does not name the images of a task of single images, so they were matched in the "
        "order of their names; export such a task as 'CVAT for images 1.1' to be sure."
    ]


def test_images_of_a_task_that_are_called_like_frames_are_still_taken_in_order(tmp_path):
    """ffmpeg counts from 1, so that frame 0 of the task is frame_000001.jpg."""
    names = ["frame_000001.jpg", "frame_000002.jpg"]
    export = write(tmp_path, track({0: (7, 1, 0)}), mode="annotation", names=names, size=2)

    assert [(f.name, len(f.shapes)) for f in cvat_video.read(export).frames] == [
        ("frame_000001.jpg", 1),
        ("frame_000002.jpg", 0),
    ]


def test_no_frame_of_an_image_task_is_used_if_images_are_missing(tmp_path):
    export = write(tmp_path / "export", track({0: (0, 1, 0)}), mode="annotation", names=["a.jpg"], size=2)

    assert load_dataset([export], tmp_path / "store").samples == ()


def stepped(folder, frames, *, files, size, start=0, stop=None, frame_filter="step=2", tracks=""):
    """A task of single images a00.jpg, a01.jpg, … that takes every second frame of its source; x is the frame."""
    names = [f"a{n:02}.jpg" for n in range(files)]
    export = write(folder, tracks or track({n: (n, 1, 0) for n in frames}), mode="annotation", names=names, size=size)
    path = export / "annotations.xml"
    meta = f"<start_frame>{start}</start_frame><frame_filter>{frame_filter}</frame_filter>"
    meta += "" if stop is None else f"<stop_frame>{stop}</stop_frame>"
    path.write_text(path.read_text().replace("<start_frame>0</start_frame>", meta))
    return export


def boxes(export):
    """Name of each image that can be used to the left edges of its boxes."""
    used = (frame for frame in cvat_video.read(export).frames if frame.image and not frame.problem and frame.shapes)
    return {frame.name: [shape.box[0] for shape in frame.shapes] for frame in used}


def test_frame_numbers_are_absolute(tmp_path):
    """Relative number x step + start: with step 2, frame 4 is the third image; with start 10, frame 14 is."""
    some = stepped(tmp_path / "1", [0, 2, 4], files=4, size=4, stop=6)
    every = stepped(tmp_path / "2", [0, 2, 4, 6], files=4, size=4)
    later = stepped(tmp_path / "3", [10, 14], files=3, size=3, start=10, stop=14)
    spaced = stepped(tmp_path / "4", [0, 3], files=2, size=2, stop=3, frame_filter=" step = 3 ")

    assert boxes(some) == {"a00.jpg": [0], "a01.jpg": [2], "a02.jpg": [4]}
    assert boxes(every) == {"a00.jpg": [0], "a01.jpg": [2], "a02.jpg": [4], "a03.jpg": [6]}
    assert boxes(later) == {"a00.jpg": [10], "a02.jpg": [14]}
    assert boxes(spaced) == {"a00.jpg": [0], "a01.jpg": [3]}


def test_a_number_that_fits_no_frame_is_left_out_and_the_others_used_where_the_task_is_clear(tmp_path):
    tracks = track({0: (0, 1, 0), 3: (3, 1, 0), 8: (8, 1, 0), -2: (7, 1, 0), "x": (9, 1, 0)}) + track({2: (2, 1, 0)})
    export = stepped(tmp_path, [], files=4, size=4, stop=6, tracks=tracks)

    assert boxes(export) == {"a00.jpg": [0], "a01.jpg": [2]}
    assert [(entry.reason, entry.where) for entry in cvat_video.read(export).left_out] == [
        ("with a frame number that is not in the task", f"annotations.xml: track 0, frame {frame}, box")
        for frame in (3, 8, -2, "x")
    ]


@pytest.mark.parametrize(
    "task",
    [
        {"files": 4, "size": 4, "frame_filter": ""},  # says nothing of a step, yet 6 is beyond
        {"files": 4, "size": 4, "stop": 3, "frame_filter": "every=2"},
        {"files": 4, "size": 4, "stop": 12, "frame_filter": "step=2"},
        {"files": 3, "size": 4, "stop": 6},  # a deleted frame: which one is not known
        {"files": 4, "size": 4, "stop": 6, "frame_filter": "step=0"},
    ],
)
def test_no_box_is_used_where_numbers_and_task_contradict(tmp_path, task):
    assert boxes(stepped(tmp_path, [0, 2, 6], **task)) == {}


def test_frames_are_not_known_to_be_empty_where_shapes_fit_none(tmp_path):
    export = stepped(tmp_path / "export", [0, 3], files=4, size=4, stop=6)
    dataset = load_dataset([export], tmp_path / "store", negatives=True)

    assert [sample.name for sample in dataset.samples] == ["a00.jpg"]
    assert dataset.health.load_report.problems == {
        "without shapes, but shapes of the task fit no frame: not used": ["a01.jpg", "a02.jpg", "a03.jpg"]
    }


def test_shapes_without_an_image_that_is_known_are_counted(tmp_path):
    export = stepped(tmp_path / "export", [0, 6], files=1, size=4, stop=6)
    report = load_dataset([export], tmp_path / "store").health.load_report

    assert report.problems == {"image that the video format does not name: not used": ["frame 0", "frame 6"]}


def test_numbers_of_a_video_file_name_its_frames_and_fit_its_step(tmp_path):
    names = [f"frame_{n:06d}.PNG" for n in (0, 5, 10)]
    export = write(tmp_path, track({0: (0, 1, 0), 5: (5, 1, 0), 7: (7, 1, 0), 15: (9, 1, 0)}), names=names)
    path = export / "annotations.xml"
    path.write_text(path.read_text().replace("<start_frame>", "<frame_filter>step=5</frame_filter><start_frame>"))

    assert boxes(export) == {"frame_000000.PNG": [0], "frame_000005.PNG": [5]}
    assert len(cvat_video.read(export).left_out) == 2


def test_tasks_of_a_project_are_told_apart_by_their_subsets(tmp_path):
    """Two tasks share the subset "both", so that nobody knows whose images those are."""
    tasks, tracks = "", ""
    for task, subset, size in ((1, "train", 2), (2, "test", 2), (3, "both", 1), (4, "both", 1)):
        tasks += f"<task><id>{task}</id><size>{size}</size><mode>annotation</mode><subset>{subset}</subset></task>"
        attributes = f'task_id="{task}" subset="{subset}"'
        tracks += track({0: (task, 1, 0), 1: (task + 20, 1, 1 if size == 1 else 0)}).replace(
            "<track", f"<track {attributes}"
        )
        for number in range(size):
            annotation_exports.draw(tmp_path / f"images/{subset}/{task}{number}.jpg", (40, 30))
    meta = f"<meta><project><tasks>{tasks}</tasks></project></meta>"
    annotation_exports.write_text(tmp_path / "annotations.xml", f"<annotations>{meta}{tracks}</annotations>")

    assert boxes(tmp_path) == {"10.jpg": [1], "11.jpg": [21], "20.jpg": [2], "21.jpg": [22]}


def test_the_images_format_does_not_claim_tracks(tmp_path):
    from preannotate.formats import cvat_images

    write(tmp_path, track({0: (0, 1, 0)}))

    assert cvat_video.recognise(tmp_path)
    assert not cvat_images.recognise(tmp_path)


def test_a_file_that_is_cut_off_is_left_out_as_a_whole_and_the_other_is_used(tmp_path):
    """A track behind the damage may be on any frame of the first file."""
    cut = write(tmp_path / "export/a", track({0: (0, 1, 0)})) / "annotations.xml"
    cut.write_text(cut.read_text().replace("</track></annotations>", "</track><track"))
    write(tmp_path / "export/b", track({1: (5, 1, 0)}))
    export = cvat_video.read(tmp_path / "export")

    assert {shape.box for frame in export.frames for shape in frame.shapes} == {(5, 0, 15, 10)}
    assert {frame.image.parent.parent.name for frame in export.frames} == {"b"}
    assert [entry.reason for entry in export.left_out] == ["annotation file that cannot be read"]
