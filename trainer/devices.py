"""Distribution of the replicas of a network over the GPUs of this machine and of the workers of its cluster.

TensorFlow requires this before any other call, so it comes first in a run.
"""

import keras
import tensorflow as tf

from trainer.cluster import WorkerCluster
from trainer.config import RequestedConfig, TrainingConfig
from trainer.errors import TrainingError


def strategy(config: RequestedConfig, cluster: WorkerCluster | None) -> tf.distribute.Strategy:
    """Return the strategy of a run: `num_clones` replicas on each worker; waits until all workers are connected.

    Raises:
        TrainingError: The machine has fewer devices, or XLA is requested with several.
    """
    replicas = config.num_clones * (len(cluster.addresses) if cluster else 1)
    if config.jit and replicas > 1:
        raise TrainingError(
            f"arguments: jit=true for {replicas} replicas; expected one: XLA cannot compile what replicas "
            f"exchange. Leave jit out."
        )
    if config.deterministic:
        # TensorFlow refuses random operations without a seed from here on.
        keras.utils.set_random_seed(config.seed)
        tf.config.experimental.enable_op_determinism()
    kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    if cluster:
        return _together(cluster, kind, config.num_clones)
    devices = tf.config.list_logical_devices(kind)
    if config.num_clones > len(devices):
        raise TrainingError(_too_many(config.num_clones, kind))
    if config.num_clones == 1:
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy([device.name for device in devices[: config.num_clones]])


def check_batch(config: TrainingConfig, replicas: int) -> None:
    """Refuse, by a TrainingError, a batch that cannot be divided equally among all replicas."""
    if config.batch_size % replicas:
        raise TrainingError(
            f"arguments: batch_size={config.batch_size} for {replicas} replicas; expected a multiple of {replicas}, "
            f"so that each has as many images."
        )


def _together(cluster: WorkerCluster, kind: str, num_clones: int) -> tf.distribute.Strategy:
    present = tf.config.list_physical_devices(kind)
    if num_clones > len(present):
        raise TrainingError(_too_many(num_clones, kind))
    # Every device that is visible becomes a replica.
    tf.config.set_visible_devices(present[:num_clones], kind)
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(cluster.addresses)}),
        task_type="worker",
        task_id=cluster.index,
        rpc_layer="grpc",
    )
    return tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)


def _too_many(num_clones: int, kind: str) -> str:
    if kind == "CPU":
        found = "no GPU that TensorFlow sees"
        remedy = "Leave num_clones out to train on the CPU; with a GPU, install preannotate[train-gpu] and a driver"
    else:
        gpus = tf.config.list_physical_devices("GPU")
        names = [tf.config.experimental.get_device_details(gpu).get("device_name", "unknown") for gpu in gpus]
        found = ", ".join(f"GPU {number} ({name})" for number, name in enumerate(names))
        remedy = f"Pass num_clones={len(gpus)} or less"
    return f"arguments: num_clones={num_clones}; this machine has {found}; expected as many GPUs. {remedy}."
