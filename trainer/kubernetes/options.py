"""Options of `--kubernetes`: where a training runs, not what is trained."""

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from trainer.errors import TrainingError

# Names of pods are that of the Job, a dash and the index, and have at most 63 characters (DNS label, RFC 1123).
LONGEST_NAME = 57
_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|[kMGT]i?)?")


@dataclass(frozen=True)
class KubernetesOptions:
    """Settings of `--kubernetes`.

    Attributes:
        image: With preannotate in it; see `trainer/images`.
        claim: PersistentVolumeClaim that holds annotations and runs; with several pods ReadWriteMany.
        name: Of the Job and its Service; by default the name of the run.
        namespace: None leaves it to kubectl.
        workers: Pods that train one run together.
        gpus, cpu, memory: Of each pod; `memory` is request and limit, `cpu` a request only.
        mount: Where the claim is mounted; relative paths start there.
        pull_secret: Name of the Secret with which the image is pulled; None if it needs none.
    """

    image: str
    claim: str
    name: str
    namespace: str | None = None
    workers: int = 1
    gpus: int = 0
    cpu: str = "2"
    memory: str = "8Gi"
    mount: str = "/data"
    pull_secret: str | None = None

    @classmethod
    def parse(cls, text: str, *, output: Path | None) -> "KubernetesOptions":
        """Read `image=…,claim=…,workers=2`, where `-` and `_` are alike; the folder of the run gives the name.

        Raises:
            TrainingError: An unknown name, an impossible value, or no image, claim or output.
        """
        if output is None:
            raise TrainingError("--kubernetes: no --output; expected a folder, so that restarted pods find their run.")
        values: dict[str, Any] = {"name": re.sub(r"[^a-z0-9]+", "-", output.name.lower()).strip("-")}
        fields = {field.name: field.type for field in dataclasses.fields(cls)}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, _, value = (piece.strip() for piece in part.partition("="))
            key = name.replace("-", "_")
            if key not in fields:
                raise TrainingError(
                    f"--kubernetes: unknown name {name!r}; expected one of: {', '.join(sorted(fields))}."
                )
            values[key] = int(value) if fields[key] is int and value.isascii() and value.isdigit() else value
        for key in ("image", "claim"):
            if not values.get(key):
                raise TrainingError(
                    f"--kubernetes: no {key}; expected {key}=NAME, as in image=REGISTRY/IMAGE,claim=NAME."
                )
        options = cls(**values)
        options._check()
        return options

    def _check(self) -> None:
        label = f"a lower-case DNS label of at most {LONGEST_NAME} characters"
        checks = {
            "name": (len(self.name) <= LONGEST_NAME and bool(_NAME.fullmatch(self.name)), label),
            "claim": (bool(re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", self.claim)), "a name of Kubernetes"),
            "namespace": (self.namespace is None or bool(_NAME.fullmatch(self.namespace)), "a name of Kubernetes"),
            "workers": (isinstance(self.workers, int) and self.workers >= 1, "a whole number from 1 on"),
            "gpus": (isinstance(self.gpus, int), "a whole number from 0 on"),
            "cpu": (bool(_QUANTITY.fullmatch(self.cpu)), "a quantity, such as 2 or 500m"),
            "memory": (bool(_QUANTITY.fullmatch(self.memory)), "a quantity, such as 8Gi"),
            "mount": (PurePosixPath(self.mount).is_absolute() and self.mount != "/", "an absolute path other than /"),
        }
        for key, (valid, expected) in checks.items():
            if not valid:
                raise TrainingError(f"--kubernetes: {key}={getattr(self, key)}; expected {expected}.")
