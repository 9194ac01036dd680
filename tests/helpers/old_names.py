"""Our names where programs for `tf.estimator` look for them, for sources that serve both."""

import types

import tfx_tpu_estimator as tpu_estimator


def make_namespace():
    """Returns what stands in for `tf.estimator`."""
    names = {name: getattr(tpu_estimator, name) for name in tpu_estimator.__all__}
    namespace = types.SimpleNamespace(**names)
    namespace.RunConfig = tpu_estimator.BaseRunConfig
    namespace.experimental = namespace.export = namespace
    return namespace
