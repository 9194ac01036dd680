"""Packages whose public names are loaded when they are first used."""

import importlib
import inspect

import pytest

from tfx_tpu_estimator.lazy_exports import lazy_exports

PACKAGES = ["components", "pipelines.airflow", "pipelines.gke", "pipelines.kubeflow"]


@pytest.mark.parametrize("name", PACKAGES)
def test_packages_list_what_they_offer(name):
    package = importlib.import_module(f"tfx_tpu_estimator.{name}")
    assert set(package.__all__) <= set(dir(package))
    with pytest.raises(AttributeError, match=f"no attribute 'x'; it offers {package.__all__[0]}"):
        _ = package.x


def test_a_name_is_loaded_once():
    find, list_names = lazy_exports("tfx_tpu_estimator.inputs", {"list_files": ".tfrecord"})
    package = importlib.import_module("tfx_tpu_estimator.inputs")
    try:
        found = find("list_files")
        assert inspect.isfunction(found)
        assert package.list_files is found
        assert "list_files" in list_names()
    finally:
        del package.list_files
