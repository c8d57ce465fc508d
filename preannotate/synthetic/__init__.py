"""Drawn photographs with exact boxes, for the demo and for tests: no download, no licence, no surprise."""

from preannotate.synthetic.export import write_export
from preannotate.synthetic.objects import LABELS
from preannotate.synthetic.scene import Scene, SceneError, draw

__all__ = ["LABELS", "Scene", "SceneError", "draw", "write_export"]
