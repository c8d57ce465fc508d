"""Which thing is on top in each pixel: keeps every object visible enough to be annotated, and gives its box."""

from dataclasses import dataclass, field

import numpy as np

MIN_VISIBLE = 0.7
# Clutter may lie half outside or below something, but a sliver of it would look like nothing.
_MIN_VISIBLE_CLUTTER = 0.2
CLUTTER = -1

Window = tuple[slice, slice]


@dataclass
class OcclusionMap:
    """The things that were placed so far.

    Attributes:
        owners: uint8 (H, W): 1 + index of the thing on top of each pixel, 0 is the background.
        class_ids: Class of each thing, or `CLUTTER`.
        areas: Pixels of each thing without occlusion.
        visible: Visible pixels of each thing.
    """

    owners: np.ndarray
    class_ids: list[int] = field(default_factory=list)
    areas: list[int] = field(default_factory=list)
    visible: list[int] = field(default_factory=list)

    def count_objects(self) -> int:
        """Return the number of things that have a class."""
        return sum(class_id != CLUTTER for class_id in self.class_ids)

    def accepts(self, window: Window, mask: np.ndarray, area: int, *, annotated: bool) -> bool:
        """Whether a thing may cover `mask` without hiding too much of any object, itself included."""
        if mask.sum() < (MIN_VISIBLE if annotated else _MIN_VISIBLE_CLUTTER) * area:
            return False
        return all(
            class_id == CLUTTER or visible - hidden >= MIN_VISIBLE * whole
            for class_id, visible, hidden, whole in zip(
                self.class_ids, self.visible, self._covered(window, mask), self.areas, strict=True
            )
        )

    def add(self, window: Window, mask: np.ndarray, area: int, class_id: int) -> None:
        """Place a thing on top."""
        covered = self._covered(window, mask)
        self.visible = [seen - hidden for seen, hidden in zip(self.visible, covered, strict=True)]
        self.visible.append(int(mask.sum()))
        self.class_ids.append(class_id)
        self.areas.append(area)
        self.owners[window][mask] = len(self.areas)

    def annotations(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return boxes float32 (G, 4) xyxy of visible parts, class ids int64 (G,), whether occluded bool (G,)."""
        boxes, class_ids, occluded = [], [], []
        for i, class_id in enumerate(self.class_ids):
            if class_id != CLUTTER:
                rows, columns = bounds(self.owners == i + 1)
                boxes.append((columns.start, rows.start, columns.stop, rows.stop))
                class_ids.append(class_id)
                occluded.append(self.visible[i] < self.areas[i])
        return np.array(boxes, np.float32), np.array(class_ids, np.int64), np.array(occluded, bool)

    def _covered(self, window: Window, mask: np.ndarray) -> list[int]:
        """Return the number of visible pixels of each thing under `mask`."""
        return np.bincount(self.owners[window][mask], minlength=len(self.areas) + 1)[1:].tolist()


def bounds(mask: np.ndarray) -> Window:
    """Return the smallest window around the true pixels."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
