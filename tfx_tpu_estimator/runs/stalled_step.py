"""Says that a training does not come forward, which else nobody would see."""

from __future__ import annotations

import logging

_logger = logging.getLogger(__name__)
# Some programs increase the global step only every so many batches.
_BATCHES = 100


class StalledStepWatch:
    """Warns once when many batches have gone by and the global step has not changed.

    Args:
      step: The global step at the start.
    """

    def __init__(self, step: int):
        self._step = step
        self._batches = 0

    def see(self, step: int, batches: int) -> None:
        """Takes note of batches that were trained on.

        Args:
          step: The global step after them.
          batches: How many.
        """
        if step != self._step:
            self._step, self._batches = step, 0
            return
        before, self._batches = self._batches, self._batches + batches
        if before < _BATCHES <= self._batches:
            _logger.warning(
                "The global step is still %d after %d batches: the train_op does not increase it. "
                "`steps` and `max_steps` count it, so that training may never end. Give "
                "`global_step=tf.compat.v1.train.get_global_step()` to minimize() or "
                "apply_gradients().", step, self._batches,
            )  # fmt: skip
