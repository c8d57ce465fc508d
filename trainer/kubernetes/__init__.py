"""A training on Kubernetes without an operator: an Indexed Job, and a headless Service where its pods must meet.

`options` says what a cluster has to be told, `command` turns the arguments of `train` into those of a pod, and
`manifests` builds both objects as plain data. Nothing here speaks to a cluster, and no secret is written: a pull
secret is only named.
"""

import argparse

import yaml

from trainer.kubernetes import manifests
from trainer.kubernetes.command import pod_arguments
from trainer.kubernetes.options import KubernetesOptions


def render(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> str:
    """The manifests of a `train --kubernetes`, as YAML for `kubectl apply -f -`.

    Args:
        parser: That understood the arguments.
        arguments: Of `train`.

    Raises:
        TrainingError: Something that a pod could not do.

    """
    options = KubernetesOptions.parse(arguments.kubernetes, output=arguments.output)
    objects = manifests.build(options, pod_arguments(parser, arguments, options), trials=arguments.trials)
    return yaml.safe_dump_all(objects, sort_keys=False, width=120)
