"""Which shapes of a function fill which labels of a task, by CVAT's own rule for types.

CVAT maps a rectangle to labels of type rectangle or any, and masks and polygons to labels of type mask, polygon or any.
"""

from preannotate.formats.cvat_xml import ANY
from runtime.manifest import MASK, POLYGON, RECTANGLE

_AREAS = (MASK, POLYGON)


def shape_type(function_type: str, task_type: str) -> str | None:
    """Return the type of shape that a label of a task gets from a label of a function; None if they do not fit.

    Args:
        function_type: CVAT's type of the function's label; what is no mask and no polygon is a rectangle.
        task_type: CVAT's type of the task's label.

    Returns:
        What the task's label wants, and where it wants any, what the function's gives.
    """
    if function_type not in _AREAS:
        return RECTANGLE if task_type in (RECTANGLE, ANY) else None
    if task_type in _AREAS:
        return task_type
    return function_type if task_type == ANY else None
