"""`function.yaml` and `function-gpu.yaml`: what nuclio deploys and CVAT lists.

A dict is built and dumped, so nothing in a name can break the file. CVAT reads its labels from a JSON text
within the YAML; that text is written as a block with one label a line, as in CVAT's own functions.
Keep every annotation a text: the nuclio dashboard refuses numbers. One function without a description or
with a broken label list empties CVAT's whole list of models, for everybody.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml

from builder.errors import BuildError
from builder.variants import PYTHON, VARIANTS, Variant
from runtime.function_file import UNREADABLE
from runtime.manifest import Manifest

# Valid as a Docker container, as a Kubernetes name behind `nuclio-` (63 characters), and as CVAT's id.
NAME_PATTERN = re.compile(r"[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?")
RESERVED_NAMES = ("dashboard", "controller", "dlx", "scaler")
# `functions/` is on Python's path in a development install: there a folder of this name would stand in for the package.
PACKAGE_NAMES = ("runtime", *(variant.engine for variant in VARIANTS.values()))


def check_name(name: str) -> None:
    """Refuse a name that CVAT, nuclio, Docker or Kubernetes would refuse, or that collides.

    Raises:
        BuildError: With the rule.
    """
    if not NAME_PATTERN.fullmatch(name):
        raise BuildError(
            f"--name: {name!r}; expected 1 to 52 lower-case letters, digits and hyphens, with no hyphen at "
            f"either end. Choose another name."
        )
    if name in RESERVED_NAMES:
        raise BuildError(f"--name: {name!r} is nuclio's own; expected another name. Choose one.")
    if name in PACKAGE_NAMES:
        raise BuildError(f"--name: {name!r} is the name of a Python package; expected another name. Choose one.")
    suffixes = [variant.suffix for variant in VARIANTS.values() if variant.suffix]
    if name.endswith(tuple(suffixes)):
        raise BuildError(
            f"--name: {name!r} ends as the names of variants do; expected none of {', '.join(suffixes)} "
            f"at the end. Choose another name."
        )


# nuclio looks at a clock that goes in steps of 10 s, once per timeout: it kills a worker whose request has lasted
# between 10 s less than this and twice this. With 10 s in the queue that makes 110 s at most, and CVAT hangs up after
# 120 s. Much lower, and a busy machine's worker is killed and reloaded.
CVAT_TIMEOUT_SECONDS = 120
EVENT_TIMEOUT_SECONDS = 50
QUEUE_TIMEOUT_MILLISECONDS = 10_000
# nuclio's default of 4 MiB refuses photos above 3 MiB, which base64 makes a third larger. A quarter more than the
# largest request that `runtime.cvat` takes, which then says why it refuses; more would only be parsed for nothing.
MAX_REQUEST_BODY_SIZE = 128 * 1024 * 1024
# The annotation whose value tags the image, so that an older model can be deployed again without building.
FINGERPRINT = "preannotate.fingerprint"
# Only where it is not FP16.
PRECISION = "preannotate.precision"
# A number, not a name: Kubernetes cannot tell whether a name is root. The base images have a home for this user.
RUN_AS_USER = "1000"
HEADER = """\
# Written by `preannotate build`. Label names may be edited, in every variant's file alike.
# MODEL_UNREADABLE_IMAGE: "error" replies to an image that cannot be read with status 400, at which CVAT ends the
# batch; "empty" replies with no objects and leaves a warning in the log.
# deploy.sh gives each function a port of this machine that stays; for one of your choice add `port: 32001` beside
# maxRequestBodySize.
# A worker takes up to 300 MB more than after loading while it decodes a very large image. A limit for the container,
# for all its workers together: `resources: {limits: {memory: 4Gi}}` in spec. Without one, the machine is the limit.
"""
# Of a network that gives masks.
MASK_HEADER = """\
# The type of a label says what CVAT gets: "mask" a mask, or a polygon where CVAT is asked to convert masks to polygons,
# for labels of a task of type mask, polygon or any; "polygon" always a polygon; "rectangle" the box.
"""
# Key of the provenance that tells an imported model from a trained one.
IMPORTED = "imported"
# Characters that YAML's block style cannot hold; JSON can write them as escapes.
_NOT_IN_BLOCK = re.compile(r"[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]")


class _Block(str):
    """A text that YAML writes as a block, line by line."""


class _Quoted(str):
    """A text in quotes: nuclio's parser reads a bare 1e3 as a number and y as a boolean."""


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent lists below their key, as CVAT's files do."""
        return super().increase_indent(flow, False)


_Dumper.add_representer(_Block, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, "|"))
_Dumper.add_representer(_Quoted, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, '"'))


def function_yaml(name: str, variant: Variant, manifest: Manifest, annotations: Mapping[str, str]) -> str:
    """Return the text of one variant's file.

    Args:
        name: Must pass `check_name`.
        variant: From `VARIANTS`.
        manifest: For labels and the description.
        annotations: Added to those that CVAT reads; keys start with `preannotate.`, and FINGERPRINT must be there.
    """
    content = {
        "metadata": {
            "name": _Quoted(name + variant.suffix),
            "namespace": "cvat",
            "annotations": {
                "name": _Quoted(name + variant.display_suffix),
                "type": "detector",
                "framework": variant.framework,
                "version": _Quoted("1"),
                "spec": _Block(label_spec(manifest)),
                **{key: _Quoted(value) for key, value in annotations.items()},
            },
        },
        "spec": _spec(name, variant, manifest, image=image_name(name + variant.suffix, annotations)),
    }
    text = yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return HEADER + (MASK_HEADER if manifest.mask_head else "") + text


def image_name(deployed_name: str, annotations: Mapping[str, str]) -> str:
    """Return the name of the function's image, with a tag of its own for each model and precision."""
    tag = "-".join(annotations[key] for key in (FINGERPRINT, PRECISION) if key in annotations)
    return f"preannotate.{deployed_name}:{tag}"


def label_spec(manifest: Manifest) -> str:
    """Return CVAT's JSON list of labels, one on each line; `id` is the class id."""
    lines = [
        json.dumps(
            {"id": class_id, "name": label, "type": manifest.label_type(class_id), "attributes": []},
            ensure_ascii=False,
        )
        for class_id, label in enumerate(manifest.labels)
    ]
    lines = [_NOT_IN_BLOCK.sub(lambda found: json.dumps(found[0])[1:-1], line) for line in lines]
    return "[\n  " + ",\n  ".join(lines) + "\n]\n"


def _spec(name: str, variant: Variant, manifest: Manifest, *, image: str) -> dict[str, Any]:
    resources = {"resources": {"limits": dict(variant.limits)}} if variant.limits else {}
    width, height = manifest.input_size
    origin = "imported" if IMPORTED in manifest.provenance else "trained"
    return {
        "description": _Quoted(f"{manifest.family} at {width}x{height}, {origin} by Preannotate"),
        "runtime": f"python:{PYTHON}",
        "handler": "main:handler",
        "eventTimeout": f"{EVENT_TIMEOUT_SECONDS}s",
        "env": [
            {"name": "MODEL_ENGINE", "value": variant.engine},
            {"name": UNREADABLE, "value": "error"},
        ],
        **resources,
        "build": {
            "image": _Quoted(image),
            "baseImage": variant.base_image,
            # nuclio installs its own packages after copying, as root; the last USER is who runs.
            "directives": {"postCopy": [{"kind": "USER", "value": _Quoted(RUN_AS_USER)}]},
        },
        "triggers": {
            "myHttpTrigger": {
                "kind": "http",
                "numWorkers": variant.workers,
                "workerAvailabilityTimeoutMilliseconds": QUEUE_TIMEOUT_MILLISECONDS,
                "attributes": {"maxRequestBodySize": MAX_REQUEST_BODY_SIZE},
            }
        },
        "platform": {"attributes": {"restartPolicy": {"name": "always", "maximumRetryCount": 3}}},
    }
