"""What a compile check is asked for, checked before anything is loaded."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence

from tfx_tpu_estimator.compile_check.chips import parse_topology
from tfx_tpu_estimator.compile_check.report import PROGRAMS, Topology
from tfx_tpu_estimator.config.preflight import DEFAULT_TIMEOUT_SECS


@dataclasses.dataclass(frozen=True, kw_only=True)
class CheckInputs:
    """The user's functions that say what a model is fed.

    Attributes:
      train_input_fn: For training.
      eval_input_fn: For evaluation.
      predict_input_fn: For prediction; where it is None the features of `eval_input_fn` serve.
      serving_input_receiver_fn: For serving.
    """

    train_input_fn: Callable | None = None
    eval_input_fn: Callable | None = None
    predict_input_fn: Callable | None = None
    serving_input_receiver_fn: Callable | None = None

    def find(self, program: str) -> Callable | None:
        """Returns the function that a program needs, or None."""
        return {
            "train": self.train_input_fn,
            "eval": self.eval_input_fn,
            "predict": self.predict_input_fn or self.eval_input_fn,
            "serving": self.serving_input_receiver_fn,
        }[program]


@dataclasses.dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """How a compile check works.

    Attributes:
      topologies: For which TPUs.
      programs: Which programs; None for all whose function is there.
      serving_batch_size: Examples of a request; None for that of prediction on one core, else 1.
      search_batch: Whether the largest batch that fits is searched for, with a few more compiles.
      timeout_secs: Of one compile.
      cache_dir: Where outcomes are kept; None for the user's cache directory.
      use_cache: Whether outcomes of before are used.
    """

    topologies: tuple[Topology, ...]
    programs: tuple[str, ...] | None = None
    serving_batch_size: int | None = None
    search_batch: bool = False
    timeout_secs: float = DEFAULT_TIMEOUT_SECS
    cache_dir: str | os.PathLike | None = None
    use_cache: bool = True


def make_options(
    topologies: Sequence[str] | str,
    *,
    programs: Sequence[str] | None = None,
    serving_batch_size: int | None = None,
    search_batch: bool = False,
    timeout_secs: float = DEFAULT_TIMEOUT_SECS,
    cache_dir: str | os.PathLike | None = None,
    use_cache: bool = True,
) -> CheckOptions:
    """Checks the arguments of a compile check; they are the attributes of `CheckOptions`.

    Raises:
      ValueError: A topology or program is unknown, there is none, or a number is not positive.
    """
    names = [topologies] if isinstance(topologies, str) else list(topologies)
    if not names:
        raise ValueError("`topologies` must name at least one topology, such as 'v5e:2x2'.")
    wanted = None if programs is None else tuple(programs)
    unknown = [name for name in wanted or () if name not in PROGRAMS]
    if unknown or wanted == ():
        raise ValueError(
            f"`programs` must be some of {', '.join(PROGRAMS)}, or None for all; got {programs!r}."
        )
    positive = {"timeout_secs": timeout_secs, "serving_batch_size": serving_batch_size}
    for name, value in positive.items():
        if value is not None and not value > 0:
            raise ValueError(f"`{name}` must be positive; got {value!r}.")
    return CheckOptions(
        topologies=tuple(dict.fromkeys(parse_topology(name) for name in names)),
        programs=wanted,
        serving_batch_size=serving_batch_size,
        search_batch=search_batch,
        timeout_secs=timeout_secs,
        cache_dir=cache_dir,
        use_cache=use_cache,
    )
