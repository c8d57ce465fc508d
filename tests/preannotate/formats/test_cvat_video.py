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


def test_the_images_format_does_not_claim_tracks(tmp_path):
    from preannotate.formats import cvat_images

    write(tmp_path, track({0: (0, 1, 0)}))

    assert cvat_video.recognise(tmp_path)
    assert not cvat_images.recognise(tmp_path)
