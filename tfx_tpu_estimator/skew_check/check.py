"""The public door: both metagraphs of a SavedModel on the same examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tfx_tpu_estimator.skew_check.report import SkewReport
from tfx_tpu_estimator.skew_check.tolerance import Tolerance


def skew_check(
    saved_model_dir: str,
    examples: str | Sequence[Any] | Mapping[str, Any],
    *,
    signatures: Sequence[str] | None = None,
    count: int | None = 1000,
    batch_size: int = 64,
    data_format: str | None = None,
    tolerances: Mapping[str, Tolerance] | None = None,
    ignore: Sequence[str] = (),
    platform: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> SkewReport:
    """Runs {serve} and the program inside {serve, tpu} on the same examples, and compares.

    {serve} runs in TensorFlow. Of {serve, tpu} what belongs to the host (parsing, strings, tables)
    runs in TensorFlow too, and each TPU computation is taken out of saved_model.pb as it is there,
    lowered to XLA with the variables of the SavedModel and run on an accelerator if there is one,
    else on the CPU. None of the code that made the model is needed.

    Args:
      saved_model_dir: The directory of saved_model.pb.
      examples: Pattern(s) of TFRecord files of tf.Examples, gzip or not; or serialized tf.Examples
        (bytes); or {input key: array with a row per example}; or a sequence of dicts
        {input key: value}, one for each example.
      signatures: Which to check. Default: all.
      count: At most so many examples are read; None for all.
      batch_size: Examples that run together. Where the graphs allow certain sizes only, the largest
        of these that is not larger, else the smallest.
      data_format: How the files are compressed, such as 'tfrecords_gzip'. Default: found out.
      tolerances: Instead of the defaults, by dtype ('float32', 'bfloat16', 'int64', 'string'),
        output ('probabilities') or signature and output ('predict/probabilities').
      ignore: Outputs that are not compared, by name or as signature/output: those that draw random
        numbers, or that only one graph has on purpose.
      platform: `tpu`, `gpu` or `cpu`. Default: TFX_TPU_ESTIMATOR_PLATFORM, else the best there is.
      progress: Called with a line of text now and then.

    Returns:
      The report. A model that differs is no error: see `SkewReport.passed`.

    Raises:
      ValueError: An argument is wrong; there is no such SavedModel, metagraph or signature; the
        model is damaged; the examples cannot be read or do not fit.

    Example:
      >>> report = skew_check("/models/1700000000", "/data/Split-eval/*")  # doctest: +SKIP
      >>> print(report.verdict)  # doctest: +SKIP
      PASSED: {serve} and {serve, tpu} compute the same on 1000 examples, ...
    """
    from tfx_tpu_estimator.skew_check.comparison import run_check

    return run_check(
        saved_model_dir,
        examples,
        signatures=signatures,
        count=count,
        batch_size=batch_size,
        data_format=data_format,
        tolerances=tolerances,
        ignore=ignore,
        platform=platform,
        progress=progress,
    )
