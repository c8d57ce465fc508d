"""The model families: a file each, found by name in one table.

A family is a module with `NAME`, `BACKBONE` (a `Backbone`), `DEFAULTS` (what suits it where nobody says otherwise),
`build_backbone` and `build`.
"""

from trainer.models import (
    frcnn_inception_resnet_v2,
    frcnn_nas,
    frcnn_resnet50,
    frcnn_resnet101,
    ssd_efficientnet_lite0,
    ssd_mobilenet_v2,
)

MODELS = {
    family.NAME: family
    for family in (
        ssd_mobilenet_v2,
        ssd_efficientnet_lite0,
        frcnn_resnet50,
        frcnn_resnet101,
        frcnn_inception_resnet_v2,
        frcnn_nas,
    )
}
