"""Whether the two metagraphs of a SavedModel, {serve} and {serve, tpu}, compute the same.

`tfx_tpu_estimator.skew_check(saved_model_dir, examples)` is the public door; see `check.py`.
"""

from __future__ import annotations

import sys
import types
from typing import Any


class _Door(types.ModuleType):
    """Python binds a package under its own name, which here is that of the public function too.

    Whoever imports something of this package first would else find a module that cannot be called
    where the function should be.
    """

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        from tfx_tpu_estimator.skew_check.check import skew_check

        return skew_check(*arguments, **options)


sys.modules[__name__].__class__ = _Door
