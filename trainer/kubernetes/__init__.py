"""A training on Kubernetes without an operator: an Indexed Job, and a headless Service where its pods must meet.

`options` describes the pods, and `manifests` builds both objects as plain data. Nothing here connects to a cluster, and
no secret is written: a pull secret is only named.
"""

from dataclasses import replace
from pathlib import Path, PurePosixPath

import yaml

from trainer.errors import TrainingError
from trainer.kubernetes import manifests
from trainer.kubernetes.options import KubernetesOptions
from trainer.request import TrainingRequest
from trainer.trials import TrialOptions

# Kubernetes replaces it by the value of the pod's own variable.
INDEX = "$(JOB_COMPLETION_INDEX)"


def render(request: TrainingRequest, options: KubernetesOptions, trials: TrialOptions | None = None) -> str:
    """Return the manifests of a training as YAML for `kubectl apply -f -`.

    Raises:
        TrainingError: Something that a pod could not do.
    """
    objects = manifests.build(options, pod_arguments(request, options, trials), trials=trials.count if trials else None)
    return yaml.safe_dump_all(objects, sort_keys=False, width=120)


def pod_arguments(request: TrainingRequest, options: KubernetesOptions, trials: TrialOptions | None) -> list[str]:
    """Return what follows `preannotate train` in a pod, with paths that exist on the shared volume.

    Raises:
        TrainingError: A path that is not on the volume, or nothing to train on.
    """
    if not request.exports:
        raise TrainingError("--kubernetes: no EXPORT; expected annotations to train on, as paths on the shared volume.")
    if trials and options.workers > 1:
        raise TrainingError(
            f"--kubernetes: workers={options.workers} with --trials {trials.count}; expected one worker for each "
            f"trial. Leave workers out."
        )

    def on_volume(path: Path) -> PurePosixPath:
        pure = PurePosixPath(path.as_posix())
        if ".." in pure.parts or (pure.is_absolute() and not pure.is_relative_to(options.mount)):
            raise TrainingError(
                f"{path}: not on the shared volume; expected a path below {options.mount}, absolute or relative to it. "
                f"Copy the file there."
            )
        return pure

    overrides = {**request.overrides, **({"num_clones": options.gpus} if options.gpus > 1 else {})}
    # A pod that replaces another continues its run; a trial does so anyway.
    pod_request = replace(request, overrides=overrides, continue_run=trials is None)
    argv = [*pod_request.to_argv(on_volume), "--json"]
    if trials is None:
        return argv
    vary = ["--vary", trials.vary] if trials.vary else []
    return [*argv, *vary, "--trials", str(trials.count), "--trial", INDEX]
