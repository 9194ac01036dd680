"""The processes that run one training of the Trainer, one on each host."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping

from tfx_tpu_estimator.config import processes
from tfx_tpu_estimator.config.run_config import RunConfig
from tfx_tpu_estimator.execution.distributed import ProcessGroup, join_processes

from ..host_options import MultiHostOptions
from ..runtime import build_program
from ..user_module import ModuleForm, UserModule
from .inputs import TrainerInputs


@contextlib.contextmanager
def joined_hosts(module: UserModule, inputs: TrainerInputs) -> Iterator[ProcessGroup]:
    """A block in which this process trains together with those of the other hosts.

    Args:
        module: The user's module.
        inputs: Its options say which hosts there are; if they say nothing, the environment does
            for a program on devices.

    Yields:
        The processes; one only where nothing says that there are others.

    Raises:
        ValueError: If the module cannot be trained by several processes, or what is said of them
            is incomplete or contradicts the environment.
        TimeoutError: If a process does not come.
    """
    options = inputs.options.hosts
    is_functions = module.form is ModuleForm.FUNCTIONS
    on_devices = is_functions and _runs_on_devices(module, inputs)
    if options is None and not on_devices:
        yield ProcessGroup()
        return
    if options is not None:
        _check_form(module, on_devices=on_devices)
    with _environment(resolve_environment(options, os.environ)):
        yield join_processes(RunConfig())


def resolve_environment(
    options: MultiHostOptions | None, environ: Mapping[str, str]
) -> dict[str, str]:
    """Returns the variables from which the runtime knows the processes and this one's place.

    Args:
        options: What the component was told; None: nothing.
        environ: Environment variables of this process.

    Raises:
        ValueError: If it is not known which process this is, or there are other processes than
            the options say.
    """
    if options is None:
        return {}
    found = {processes.TIMEOUT_VARIABLE: str(options.connect_timeout_secs)}
    if options.coordinator is not None:
        found[processes.COORDINATOR_VARIABLE] = options.coordinator
    if options.process_id_variable is not None:
        found[processes.NUM_PROCESSES_VARIABLE] = str(options.num_processes)
        found[processes.PROCESS_ID_VARIABLE] = _read_id(options.process_id_variable, environ)
    place = processes.resolve_place(RunConfig(), {**environ, **found})
    if place is None:
        raise ValueError(
            "`options.hosts` asks for several processes, but nothing says which of them this is: "
            f"set {processes.PROCESS_ID_VARIABLE} with its companions, TF_CONFIG or the variables "
            "of a TPU pod, or give `process_id_variable`, or `launch='local'`."
        )
    if options.num_processes not in (None, place.num_processes):
        raise ValueError(
            f"`options.hosts.num_processes` is {options.num_processes}, but the environment of "
            f"this process speaks of {place.num_processes}; correct one of them."
        )
    return found


def _read_id(variable: str, environ: Mapping[str, str]) -> str:
    value = environ.get(variable)
    if value is None:
        raise ValueError(
            f"`options.hosts.process_id_variable` is {variable!r}, which is not set in the "
            "environment of this process."
        )
    return value


def _runs_on_devices(module: UserModule, inputs: TrainerInputs) -> bool:
    program = build_program(module, inputs.options, inputs.data, inputs.custom_config)
    return program.options.use_tpu


def _check_form(module: UserModule, *, on_devices: bool) -> None:
    if module.form is ModuleForm.TRAINER_FN:
        raise ValueError(
            f"`options.hosts` is given, but module {module.label!r} has `trainer_fn`, whose "
            "exports every process would make. Write `model_fn` or `run_fn` instead."
        )
    if module.form is ModuleForm.FUNCTIONS and not on_devices:
        raise ValueError(
            "`options.hosts` is given, but `use_tpu` is False: only programs on devices are "
            "trained by several processes. Give `use_tpu=True`, or leave `hosts` out."
        )


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
