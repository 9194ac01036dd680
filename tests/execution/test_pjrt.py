"""Which devices are found, and what is said when they are not."""

import os
import subprocess
import sys

import pytest
from helpers import devices

from tfx_tpu_estimator.execution.device import resolve_platform, resolve_virtual_cores
from tfx_tpu_estimator.execution.pjrt import find_devices, request_virtual_devices


def test_as_many_virtual_devices_as_asked_for():
    found = find_devices(num_shards=4)
    assert found.platform == "cpu"
    assert found.is_virtual
    assert len(found.devices) == 4
    assert found.describe() == "Running on 4 virtual CPU devices (no accelerator)."


def test_too_late_for_more():
    message = "Too late to create 64 virtual CPU devices: jax has already started with 8"
    with pytest.raises(RuntimeError, match=message):
        find_devices(num_shards=64)


@pytest.mark.parametrize("platform", ["tpu", "gpu"])
def test_a_platform_that_is_not_there(platform):
    # jax writes a device as CPU_0 or cpu:0.
    message = r"Cannot find any .* Available devices are .*(?i:CPU.0)"
    with pytest.raises(RuntimeError, match=message):
        find_devices(platform)


def test_only_a_variable_that_is_set_is_to_be_unset(monkeypatch):
    with pytest.raises(RuntimeError, match=r"or give another `platform`, such as 'cpu'\. Avail"):
        find_devices("tpu")
    monkeypatch.setenv("TFX_TPU_ESTIMATOR_PLATFORM", "tpu")
    with pytest.raises(RuntimeError, match=r"or unset TFX_TPU_ESTIMATOR_PLATFORM\. Available"):
        find_devices()


def test_the_environment_says_how_many_and_where(monkeypatch):
    monkeypatch.setenv("TFX_TPU_ESTIMATOR_NUM_CORES", "2")
    monkeypatch.setenv("TFX_TPU_ESTIMATOR_PLATFORM", "CPU")
    assert len(find_devices().devices) == 2
    assert resolve_virtual_cores(3) == 3


def test_the_default_is_one_host_of_a_tpu(monkeypatch):
    monkeypatch.delenv("TFX_TPU_ESTIMATOR_NUM_CORES", raising=False)
    assert resolve_virtual_cores() == 8


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_a_number_of_cores_that_is_none(monkeypatch, text):
    monkeypatch.setenv("TFX_TPU_ESTIMATOR_NUM_CORES", text)
    with pytest.raises(ValueError, match="`TFX_TPU_ESTIMATOR_NUM_CORES` must be an integer > 0"):
        resolve_virtual_cores()


def test_an_unknown_platform(monkeypatch):
    with pytest.raises(ValueError, match="`platform` must be one of tpu, gpu, cpu; got 'npu'"):
        resolve_platform("npu")
    monkeypatch.setenv("TFX_TPU_ESTIMATOR_PLATFORM", "npu")
    with pytest.raises(ValueError, match="`TFX_TPU_ESTIMATOR_PLATFORM` must be one of"):
        resolve_platform()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "--xla_force_host_platform_device_count=4"),
        ("--xla_force_host_platform_device_count=16", "--xla_force_host_platform_device_count=16"),
        ("--a=1 --xla_force_host_platform_device_count=2",
         "--a=1  --xla_force_host_platform_device_count=4"),
    ],
)  # fmt: skip
def test_the_flag_is_only_ever_raised(monkeypatch, before, after):
    monkeypatch.setenv("XLA_FLAGS", before)
    request_virtual_devices(4)
    assert os.environ["XLA_FLAGS"] == after
    assert devices.COUNT == 8


def test_a_fresh_process_needs_nothing_set():
    code = (
        "from tfx_tpu_estimator.execution.pjrt import find_devices;"
        "print(len(find_devices(num_shards=3).devices))"
    )
    environment = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, check=True,
                         capture_output=True, text=True)  # fmt: skip
    assert ran.stdout.split()[-1] == "3"


def test_as_many_devices_as_the_environment_says_can_still_be_had_later():
    code = (
        "from tfx_tpu_estimator.execution.pjrt import find_devices;"
        "print(len(find_devices(num_shards=1).devices), len(find_devices(num_shards=3).devices))"
    )
    environment = {**os.environ, "XLA_FLAGS": "", "TFX_TPU_ESTIMATOR_NUM_CORES": "3"}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, check=True,
                         capture_output=True, text=True)  # fmt: skip
    assert ran.stdout.split()[-2:] == ["1", "3"]


def test_without_jax_everything_imports_and_devices_say_what_to_install():
    code = (
        "import sys; sys.modules['jax'] = None\n"
        "import tfx_tpu_estimator.execution.executable, tfx_tpu_estimator.lowering.hlo\n"
        "from tfx_tpu_estimator.execution.pjrt import find_devices\n"
        "try: find_devices()\n"
        "except ImportError as error: print(error)"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "`use_tpu=True` runs through jax, which is not installed" in ran.stdout
