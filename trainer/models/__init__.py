"""The model families by name.

To add one, write a module with `FAMILIES` (see `family.ModelFamily`) and its line below.
"""

import importlib

from trainer.models.family import ModelFamily

# In the order in which tables show them.
MODULES = ("yolox", "ssd_mobilenet_v2", "ssd_efficientnet_lite0", "frcnn")


def _load() -> dict[str, ModelFamily]:
    modules = (importlib.import_module(f"trainer.models.{name}") for name in MODULES)
    return {family.name: family for module in modules for family in module.FAMILIES}


MODELS = _load()
