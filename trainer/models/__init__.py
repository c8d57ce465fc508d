"""The model families: a file each, found by name in one table."""

from trainer.models import ssd_mobilenet_v2

MODELS = {ssd_mobilenet_v2.NAME: ssd_mobilenet_v2}
