import numpy as np

from preannotate.synthetic.image import OcclusionMap


def test_a_thing_may_not_hide_more_than_30_percent_of_an_object():
    occlusion = OcclusionMap(np.zeros((10, 10), np.uint8))
    everything = (slice(0, 10), slice(0, 10))
    occlusion.add(everything, _columns(0, 10), 100, class_id=2)

    assert occlusion.accepts(everything, _columns(0, 3), 30, annotated=False)  # 70 of 100 pixels stay
    assert not occlusion.accepts(everything, _columns(0, 4), 40, annotated=False)
    occlusion.add(everything, _columns(0, 3), 30, class_id=-1)
    assert not occlusion.accepts(everything, _columns(3, 4), 10, annotated=False)  # 60 would stay
    assert occlusion.accepts(everything, _columns(1, 3), 20, annotated=False)  # covers clutter only


def test_an_object_may_not_lie_more_than_30_percent_outside():
    occlusion = OcclusionMap(np.zeros((10, 10), np.uint8))
    everything = (slice(0, 10), slice(0, 10))

    assert occlusion.accepts(everything, _columns(0, 7), 100, annotated=True)
    assert not occlusion.accepts(everything, _columns(0, 6), 100, annotated=True)


def test_the_box_of_a_covered_object_holds_its_visible_part_only():
    occlusion = OcclusionMap(np.zeros((10, 10), np.uint8))
    everything = (slice(0, 10), slice(0, 10))
    occlusion.add(everything, _columns(2, 9), 70, class_id=1)
    occlusion.add(everything, _columns(7, 10), 30, class_id=3)

    class_ids, occluded = occlusion.annotations()

    assert [mask.box for mask in occlusion.masks()] == [(2, 0, 7, 10), (7, 0, 10, 10)]
    assert class_ids.tolist() == [1, 3]
    assert occluded.tolist() == [True, False]


def _columns(start, end):
    mask = np.zeros((10, 10), bool)
    mask[:, start:end] = True
    return mask
