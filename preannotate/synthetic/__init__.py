"""Synthetic photographs with exact boxes, for the demonstration and for tests: no download and no licence."""

from preannotate.synthetic.export import write_export
from preannotate.synthetic.image import SyntheticImage, SyntheticImageError, draw_image
from preannotate.synthetic.objects import LABELS

__all__ = ["LABELS", "SyntheticImage", "SyntheticImageError", "draw_image", "write_export"]
