"""The command of a pod: the arguments of `train` as they were given, with paths that exist on the shared volume."""

import argparse
from pathlib import Path, PurePosixPath

from trainer.errors import TrainingError
from trainer.kubernetes.options import KubernetesOptions
from trainer.to_argv import retell

# What is not for the pod, or said in another way.
LEFT_OUT = {"kubernetes", "command", "execute", "json", "output", "trials", "parallel", "continue_"}
# Kubernetes puts in the value of the pod's own variable.
INDEX = "$(JOB_COMPLETION_INDEX)"


def pod_arguments(
    parser: argparse.ArgumentParser, arguments: argparse.Namespace, options: KubernetesOptions
) -> list[str]:
    """What follows `preannotate train` in a pod.

    Args:
        parser: That understood the arguments.
        arguments: Of `train`.
        options: The pod.

    Raises:
        TrainingError: A path that no pod would find, or nothing to train on.

    """
    if not arguments.exports:
        raise TrainingError("--kubernetes: no EXPORT; expected annotations to train on, as paths on the shared volume.")
    if arguments.trials and options.workers > 1:
        raise TrainingError(
            f"--kubernetes: workers={options.workers} with --trials {arguments.trials}; expected one worker for each "
            f"trial. Leave workers out."
        )

    def on_volume(path: Path) -> PurePosixPath:
        return _on_volume(path, options)

    said = retell(parser, arguments, without=LEFT_OUT, path=on_volume)
    if options.gpus > 1:
        said += ["--set", f"num_clones={options.gpus}"]
    said += ["--output", str(on_volume(arguments.output)), "--json"]
    # A pod that takes the place of another goes on with its run; a trial does so anyway.
    return [*said, "--trials", str(arguments.trials), "--trial", INDEX] if arguments.trials else [*said, "--continue"]


def _on_volume(path: Path, options: KubernetesOptions) -> PurePosixPath:
    pure = PurePosixPath(path.as_posix())
    if ".." in pure.parts or (pure.is_absolute() and not pure.is_relative_to(options.mount)):
        raise TrainingError(
            f"{path}: not on the shared volume; expected a path below {options.mount}, absolute or relative to it. "
            f"Copy the file there."
        )
    return pure
