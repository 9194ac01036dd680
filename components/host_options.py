"""MultiHostOptions: several hosts whose processes train one model together."""

from __future__ import annotations

import dataclasses
import re

from .option_checks import CheckedNames, check_choice, check_int, check_number, check_type

RUNNER = "runner"
LOCAL = "local"
_LAUNCHES = (RUNNER, LOCAL)
_ADDRESS = re.compile(r".+:\d{1,5}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclasses.dataclass(frozen=True, kw_only=True)
class MultiHostOptions(CheckedNames):
    """How the processes of a training find each other, one on each host of a slice.

    The Trainer's executor runs in every process with the same arguments and sees the same
    directories. Process 0, the chief, alone writes checkpoints and artifacts. Which process this
    is comes from its environment: `TFX_TPU_ESTIMATOR_PROCESS_ID` with its companions, `TF_CONFIG`,
    the variables of a TPU pod, or a variable that is named here.

    Attributes:
        num_processes: How many processes there are, at least 2. None: as the environment says.
        coordinator: `host:port` where process 0 listens for the others. None: as the environment
            says, which is port 8476 of the first host of a TPU pod.
        process_id_variable: Environment variable with the number of this process, from 0, such as
            `JOB_COMPLETION_INDEX` of an indexed Job of Kubernetes; needs `num_processes` and
            `coordinator`. None: one of those above.
        connect_timeout_secs: How long to wait for the other processes at the start.
        launch: `runner`: who runs the pipeline starts the executor on every host; `local`: the
            executor starts `num_processes` processes on this machine, to share its accelerators,
            or to try a program with several processes.

    Example:
        MultiHostOptions(
            num_processes=4,
            coordinator="taxi-slice-0-0.taxi:8476",
            process_id_variable="JOB_COMPLETION_INDEX",
        )
    """

    num_processes: int | None = None
    coordinator: str | None = None
    process_id_variable: str | None = None
    connect_timeout_secs: float = 300.0
    launch: str = RUNNER

    def __post_init__(self) -> None:
        if self.num_processes is not None:
            check_int("num_processes", self.num_processes, 2)
        check_number("connect_timeout_secs", self.connect_timeout_secs, positive=True)
        check_choice("launch", self.launch, _LAUNCHES)
        for name in ("coordinator", "process_id_variable"):
            if getattr(self, name) is not None:
                check_type(name, getattr(self, name), str)
        if self.coordinator is not None and not _ADDRESS.fullmatch(self.coordinator):
            raise ValueError(
                f"`coordinator` must be host:port, as the other hosts reach process 0; got "
                f"{self.coordinator!r}."
            )
        if self.process_id_variable is not None:
            self._check_variable(self.process_id_variable)
        if self.launch == LOCAL:
            self._check_local()

    def _check_variable(self, variable: str) -> None:
        if not _VARIABLE.fullmatch(variable):
            raise ValueError(
                "`process_id_variable` must be the name of an environment variable, got "
                f"{variable!r}."
            )
        missing = [n for n in ("num_processes", "coordinator") if getattr(self, n) is None]
        if missing:
            raise ValueError(
                f"`process_id_variable` says only which process this is: give "
                f"{' and '.join(f'`{name}`' for name in missing)} too."
            )

    def _check_local(self) -> None:
        if self.num_processes is None:
            raise ValueError("`launch='local'` needs `num_processes`: how many to start.")
        given = [n for n in ("coordinator", "process_id_variable") if getattr(self, n) is not None]
        if given:
            raise ValueError(
                f"`launch='local'` chooses `{given[0]}` itself; leave it out, or start the "
                "processes yourself with `launch='runner'`."
            )
