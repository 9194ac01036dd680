"""Records what TensorFlow 2.15's own TPUEstimator gives for the model with embedding columns.

Run with a Python that has tensorflow 2.15 and tensorflow-estimator 2.15, from the repository:
`python tests/golden/make_embedding_golden.py`. It writes `embeddings.npz`: the loss of each step
and the variables afterwards, on a CPU, where its columns are ordinary embedding columns.
"""

import functools
import pathlib
import sys
import tempfile
import types

import numpy as np
import tensorflow as tf

FOLDER = pathlib.Path(__file__).parent
STEPS = 4
tf1 = tf.compat.v1
estimator = tf1.estimator


def stand_in_for_this_package():
    """Lets the tests' helper find the old classes under the names that it uses."""
    tpu, experimental = estimator.tpu, tf1.tpu.experimental
    module = types.ModuleType("tfx_tpu_estimator")
    module.ModeKeys = estimator.ModeKeys
    module.PredictOutput = estimator.export.PredictOutput
    for name in ("TPUConfig", "TPUEstimator", "TPUEstimatorSpec"):
        setattr(module, name, getattr(tpu, name))
    # It writes losses only as often as other summaries.
    module.RunConfig = functools.partial(tpu.RunConfig, save_summary_steps=1)
    module.EmbeddingConfigSpec = tpu.experimental.EmbeddingConfigSpec
    for name in ("AdagradParameters", "FtrlParameters", "StochasticGradientDescentParameters"):
        setattr(module, name, getattr(experimental, name))
    sys.modules["tfx_tpu_estimator"] = module
    # It has no kernel on a CPU, where it would do nothing.
    tf1.tpu.CrossShardOptimizer = lambda optimizer: optimizer
    return module


def main():
    package = stand_in_for_this_package()
    sys.path.insert(0, str(FOLDER.parent))
    from helpers import embeddings

    made = embeddings.make_column_estimator(
        tempfile.mkdtemp(), package.AdagradParameters(embeddings.GOLDEN_RATE)
    )
    input_fn = embeddings.make_input_fn(embeddings.COLUMN_FEATURES)
    losses, variables = embeddings.train_and_read(made, input_fn, STEPS)
    np.savez_compressed(FOLDER / "embeddings.npz", losses=np.array(losses), **variables)
    print(losses, sorted(variables))


if __name__ == "__main__":
    main()
