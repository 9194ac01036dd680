"""Runs programs that were written for `tf.estimator`: nothing is patched unless it is asked for.

from tfx_tpu_estimator import compat

compat.install()
"""

from tfx_tpu_estimator.compat.installation import install, installed, is_installed, uninstall

__all__ = ["install", "installed", "is_installed", "uninstall"]
