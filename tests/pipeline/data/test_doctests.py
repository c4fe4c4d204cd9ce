"""The examples in docstrings give what they say."""

import doctest
import importlib
import pkgutil

import pytest

import pipeline.data

MODULES = ["pipeline.errors", "pipeline.randomness"] + [
    module.name for module in pkgutil.walk_packages(pipeline.data.__path__, "pipeline.data.")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples():
    assert sum(doctest.testmod(importlib.import_module(name)).attempted for name in MODULES) > 10
