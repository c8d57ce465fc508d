"""Drawn photographs with exact boxes, for the demo and for tests: no download, no licence, no surprise."""

from preannotate.scenes.export import write_export
from preannotate.scenes.objects import LABELS
from preannotate.scenes.scene import Scene, SceneError, draw

__all__ = ["LABELS", "Scene", "SceneError", "draw", "write_export"]
