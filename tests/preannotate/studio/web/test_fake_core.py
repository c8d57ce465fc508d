"""The core in memory has the names and parameters of the real one: else the tests of the pages would prove little."""

import inspect

import pytest
import studio_fake_core as fake

from preannotate.jobs import queue
from preannotate.studio import arguments, machines, models, recommendations, servers, settings
from preannotate.studio.catalogue import Catalogue

PAIRS = [
    (fake.FakeServers, servers.Servers),
    (fake.FakeCatalogue, Catalogue),
    (fake.FakeQueue, queue.RunQueue),
    (fake.FakeModels, models.Models),
    (fake.FakeSettings, settings.Settings),
]
FUNCTIONS = [
    (fake.advice, recommendations.assess_annotations),
    (fake.model_choices, recommendations.model_choices),
    (fake.arguments_form, arguments.argument_fields),
    (fake.assemble, arguments.assemble_arguments),
    (fake.machines, machines.machines),
]


def parameters(function):
    found = inspect.signature(function).parameters.values()
    return [
        (one.name, one.kind, one.default is one.empty)
        for one in found
        if one.name not in ("self", "detail", "task_detail")
    ]


@pytest.mark.parametrize(("double", "real"), PAIRS)
def test_methods_are_those_of_the_core(double, real):
    for name, method in inspect.getmembers(double, inspect.isfunction):
        if not name.startswith("_") and name not in ("change", "put"):
            assert parameters(method) == parameters(getattr(real, name)), name


@pytest.mark.parametrize(("double", "real"), FUNCTIONS)
def test_functions_are_those_of_the_core(double, real):
    assert parameters(double) == parameters(real)
