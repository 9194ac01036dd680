"""How a served model collects requests into batches before it runs on a TPU."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

from tfx_tpu_estimator.config.checked_replace import CheckedReplace
from tfx_tpu_estimator.config.integers import validate_int


class _BatchConfigFields(NamedTuple):
    num_batch_threads: int | None
    max_batch_size: int | None
    batch_timeout_micros: int | None
    allowed_batch_sizes: Sequence[int] | None
    max_enqueued_batches: int


class BatchConfig(CheckedReplace, _BatchConfigFields):
    """How `model_fn_inference_on_tpu` batches requests; `inference_on_tpu` takes the same.

    Example:
        >>> BatchConfig(2, 8, 1000, [4, 8]).max_enqueued_batches
        100
    """

    __slots__ = ()

    def __new__(
        cls,
        num_batch_threads: int | None,
        max_batch_size: int | None,
        batch_timeout_micros: int | None,
        allowed_batch_sizes: Sequence[int] | None,
        max_enqueued_batches: int = 100,
    ):
        """Checks and keeps the settings.

        Args:
            num_batch_threads: threads that run batches, and so batches that run at a time.
            max_batch_size: rows of a batch at most; None or 0 for no batching at all: then the
                other settings do not matter.
            batch_timeout_micros: microseconds to wait for more requests before an incomplete
                batch runs.
            allowed_batch_sizes: sizes that batches are padded up to, increasing, the last one
                `max_batch_size`; a TPU compiles the model once for each. None or empty: batches
                of any size, and a compilation for each size that comes.
            max_enqueued_batches: batches that wait at most before requests are refused.

        Returns:
            The settings.

        Raises:
            TypeError: if a number is no int, or `allowed_batch_sizes` no list.
            ValueError: if a number is out of its range, or `allowed_batch_sizes` do not increase
                up to `max_batch_size`.
        """
        _validate(
            num_batch_threads,
            max_batch_size,
            batch_timeout_micros,
            allowed_batch_sizes,
            max_enqueued_batches,
        )
        return super().__new__(
            cls,
            num_batch_threads=num_batch_threads,
            max_batch_size=max_batch_size,
            batch_timeout_micros=batch_timeout_micros,
            allowed_batch_sizes=allowed_batch_sizes,
            max_enqueued_batches=max_enqueued_batches,
        )


def _validate(
    num_batch_threads: Any,
    max_batch_size: Any,
    batch_timeout_micros: Any,
    allowed_batch_sizes: Any,
    max_enqueued_batches: Any,
) -> None:
    # TensorFlow looks at them only when a server loads the model.
    if max_batch_size is None or max_batch_size == 0:
        return
    _validate_range("num_batch_threads", num_batch_threads, 1)
    _validate_range("max_batch_size", max_batch_size, 1)
    _validate_range("batch_timeout_micros", batch_timeout_micros, 0)
    _validate_range("max_enqueued_batches", max_enqueued_batches, 1)
    if allowed_batch_sizes not in (None, [], ()):
        _validate_sizes(allowed_batch_sizes, max_batch_size)


def _validate_range(name: str, value: Any, lowest: int) -> None:
    validate_int(name, value)
    if value < lowest:
        raise ValueError(f"`{name}` must be at least {lowest}; got {value}.")


def _validate_sizes(sizes: Any, largest: int) -> None:
    if not isinstance(sizes, list | tuple):
        raise TypeError(
            f"`allowed_batch_sizes` must be a list of ints or None; got {sizes!r}. "
            f"Give [{largest}] for one size."
        )
    for size in sizes:
        _validate_range("allowed_batch_sizes", size, 1)
    if any(a >= b for a, b in itertools.pairwise(sizes)):
        raise ValueError(
            f"`allowed_batch_sizes` must increase monotonically; got {list(sizes)}. Sort them, "
            "each once, or give None to allow every size."
        )
    if sizes[-1] != largest:
        raise ValueError(
            "The final entry in `allowed_batch_sizes` must equal `max_batch_size`; got "
            f"{list(sizes)} and {largest}."
        )
