import json
import re

import pytest

from trainer.cluster import WorkerCluster, find_cluster
from trainer.errors import TrainingError

JOB = {
    "JOB_COMPLETION_INDEX": "1",
    "PREANNOTATE_WORKERS": "2",
    "PREANNOTATE_SERVICE": "boards",
    "HOSTNAME": "boards-1",
}


def tf_config(cluster, kind="worker", index=0):
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})}


def test_without_a_word_a_process_trains_alone():
    assert find_cluster({}) is None
    assert find_cluster({"TF_CONFIG": " "}) is None
    assert find_cluster({"JOB_COMPLETION_INDEX": "3"}) is None


def test_tf_config_names_the_workers():
    cluster = find_cluster(tf_config({"worker": ["a:1", "b:2"]}, index=1))

    assert cluster == WorkerCluster(("a:1", "b:2"), 1)
    assert not cluster.is_chief


def test_a_chief_of_tf_config_comes_first():
    hosts = {"worker": ["a:1", "b:2"], "chief": ["c:3"]}

    assert find_cluster(tf_config(hosts, "chief")) == WorkerCluster(("c:3", "a:1", "b:2"), 0)
    assert find_cluster(tf_config(hosts, "worker", 1)) == WorkerCluster(("c:3", "a:1", "b:2"), 2)


def test_tf_config_wins_over_the_index_of_a_job():
    assert find_cluster({**JOB, **tf_config({"worker": ["a:1", "b:2"]})}).addresses == ("a:1", "b:2")


def test_a_cluster_of_one_is_alone():
    assert find_cluster(tf_config({"worker": ["a:1"]})) is None
    assert find_cluster({**JOB, "PREANNOTATE_WORKERS": "1", "JOB_COMPLETION_INDEX": "0"}) is None


def test_pods_of_an_indexed_job_find_each_other_by_name():
    assert find_cluster(JOB) == WorkerCluster(("boards-0.boards:2222", "boards-1.boards:2222"), 1)


def test_pods_of_a_jobset_have_a_longer_name():
    environment = {**JOB, "HOSTNAME": "run-node-0-1", "PREANNOTATE_SERVICE": "run"}

    assert find_cluster(environment).addresses == ("run-node-0-0.run:2222", "run-node-0-1.run:2222")


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        (
            {"TF_CONFIG": "{"},
            "TF_CONFIG: JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1); "
            "expected JSON with cluster and task. Unset TF_CONFIG to train on this machine alone.",
        ),
        (
            {"TF_CONFIG": "{}"},
            "TF_CONFIG: KeyError: 'cluster'; expected JSON with cluster and task. "
            "Unset TF_CONFIG to train on this machine alone.",
        ),
        (
            tf_config({"worker": ["a:1"], "ps": ["b:2"]}),
            "TF_CONFIG: ps; expected only chief and worker. Every process does the same work.",
        ),
        (
            tf_config({"worker": ["a:1", "b:2"]}, "evaluator"),
            "TF_CONFIG: evaluator; expected only chief and worker. Every process does the same work.",
        ),
        (
            tf_config({"worker": ["a:1", "b:2"]}, index=2),
            "TF_CONFIG: task worker 2; expected one of the 2 addresses in cluster. "
            "Give each process the same cluster and its own index.",
        ),
        (
            {**JOB, "PREANNOTATE_WORKERS": "two"},
            "PREANNOTATE_WORKERS: 'two'; expected a whole number from 1 on.",
        ),
        (
            {**JOB, "JOB_COMPLETION_INDEX": "2"},
            "JOB_COMPLETION_INDEX: 2; expected less than 2, the value of PREANNOTATE_WORKERS. "
            "Set it to the number of completions of the Job.",
        ),
        (
            {**JOB, "PREANNOTATE_SERVICE": ""},
            "PREANNOTATE_SERVICE: not set; expected the name of the headless Service of the Job. "
            "Without it 2 workers do not find each other.",
        ),
        (
            {**JOB, "HOSTNAME": "laptop"},
            "HOSTNAME: 'laptop'; expected a name that ends with '-1', as pods of an Indexed Job have. "
            "Set TF_CONFIG instead.",
        ),
    ],
)
def test_an_impossible_environment_is_refused(environment, sentence):
    with pytest.raises(TrainingError, match=f"^{re.escape(sentence)}$"):
        find_cluster(environment)
