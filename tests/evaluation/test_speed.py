import io

import numpy as np
from PIL import Image

from evaluation.ground_truth import AnnotatedImage, GroundTruth
from evaluation.speed import measure
from runtime.detector import Detector
from runtime.manifest import Manifest, Postprocess


class OneBox:
    name, device, warning = "fake", "a test", ""

    def __init__(self):
        self.calls = 0

    def run(self, pixels):
        self.calls += 1
        boxes = np.float32([[[0, 0, 32, 32]]])
        return {"boxes": boxes, "scores": np.full((1, 1, 1), 0.2, np.float32)}


def truth(folder, count):
    stream = io.BytesIO()
    Image.new("RGB", (64, 64)).save(stream, "JPEG")
    (folder / "a.jpg").write_bytes(stream.getvalue())
    nothing = np.zeros((0, 4), np.float32), np.zeros(0, int)
    return GroundTruth(folder, ("x",), tuple(AnnotatedImage(f"{i}", "a.jpg", (64, 64), *nothing) for i in range(count)))


def test_every_stage_and_every_image_is_measured(tmp_path):
    engine = OneBox()
    detector = Detector(engine, Manifest("f", ("x",), (32, 32), Postprocess(0.5, (0.5,))))

    stages, found = measure(detector, truth(tmp_path, 3), seconds=60)

    assert stages.images == len(found) == 3
    assert engine.calls == 4  # the first is not counted
    assert min(stages.decode, stages.letterbox, stages.total) > 0
    assert [detection.box for detection in found[0]] == [(0, 0, 64, 64)]  # below the threshold, but kept to compare


def test_without_time_one_image_is_measured(tmp_path):
    detector = Detector(OneBox(), Manifest("f", ("x",), (32, 32), Postprocess(0.5, (0.5,))))

    assert measure(detector, truth(tmp_path, 3), seconds=0)[0].images == 1
