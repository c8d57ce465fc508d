import pytest

from preannotate.cvat.label_types import shape_type


@pytest.mark.parametrize(
    ("function", "task", "shape"),
    [
        ("rectangle", "rectangle", "rectangle"),
        ("rectangle", "any", "rectangle"),
        ("rectangle", "polygon", None),
        ("unknown", "any", "rectangle"),
        ("mask", "mask", "mask"),
        ("mask", "polygon", "polygon"),
        ("mask", "any", "mask"),
        ("mask", "rectangle", None),
        ("polygon", "mask", "mask"),
        ("polygon", "polygon", "polygon"),
        ("polygon", "any", "polygon"),
        ("polygon", "points", None),
    ],
)
def test_the_task_decides_between_masks_and_polygons_and_nothing_becomes_a_rectangle(
    function: str, task: str, shape: str | None
) -> None:
    assert shape_type(function, task) == shape
