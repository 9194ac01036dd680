"""One program for each width of the rows that the host fills up; they share their variables."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tfx_tpu_estimator.execution.embedded_program import EmbeddedProgram
from tfx_tpu_estimator.execution.embedding_executable import EmbeddingExecutable
from tfx_tpu_estimator.execution.executable import Executable
from tfx_tpu_estimator.lowering.program import Program

_logger = logging.getLogger(__name__)

AnyExecutable = Executable | EmbeddingExecutable


class WidthVariants:
    """An `Executable` of a model whose input has rows of a width that grows with the data.

    The program is lowered and compiled again when wider rows come. Widths are powers of two, so
    that this happens seldom.

    Args:
      first: For rows of width 1.
      padded: For each of its inputs whether its rows, the last dimension, may be wider.
      make: Returns the executable for given widths by input name.
    """

    def __init__(
        self,
        first: AnyExecutable,
        padded: Sequence[bool],
        make: Callable[[Mapping[str, int]], AnyExecutable],
    ):
        self._first = first
        self._padded = [i for i, is_padded in enumerate(padded) if is_padded]
        self._make = make
        self._variants: dict[tuple[int, ...], AnyExecutable] = {(1,) * len(self._padded): first}
        # The thread of the input asks for the program that it will run next.
        self._lock = threading.Lock()

    @property
    def program(self) -> Program | EmbeddedProgram:
        """The program for the narrowest rows, whose state and outputs are those of all."""
        return self._first.program

    def place_state(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Copies variables to the devices; see `Executable.place_state`."""
        return self._first.place_state(values)

    def place_batches(self, batches: Sequence[Any]) -> list[Any]:
        """Moves the input of K steps to the devices; see `Executable.place_batches`."""
        return self._choose(batches).place_batches(batches)

    def run(
        self, state: Mapping[str, Any], step: int, batches: Sequence[Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Runs K steps; see `Executable.run`."""
        return self._choose(batches).run(state, step, batches)

    def _choose(self, batches: Sequence[Any]) -> AnyExecutable:
        widths = tuple(int(batches[i].shape[-1]) for i in self._padded)
        with self._lock:
            if widths not in self._variants:
                names = [self._first.program.inputs[i].name for i in self._padded]
                by_name = dict(zip(names, widths, strict=True))
                self._variants[widths] = self._make(by_name)
                _logger.info(
                    "The program is made for rows of %s ids.",
                    ", ".join(f"{width} ({name})" for name, width in by_name.items()),
                )
            return self._variants[widths]
