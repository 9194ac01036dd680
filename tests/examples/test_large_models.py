"""The examples for the compile check, small: they train, evaluate and predict."""

import pytest
import tensorflow as tf
from helpers.example_modules import load_example

import tfx_tpu_estimator as tpu_estimator

BERT = {
    "vocab_size": 50, "hidden": 16, "layers": 1, "heads": 2, "intermediate": 32,
    "sequence_length": 12, "predictions": 3, "warmup_steps": 1, "learning_rate": 1e-2,
}  # fmt: skip
RESNET = {"image_size": 32, "classes": 5}


@pytest.mark.parametrize(
    ("path", "sizes", "metric", "prediction"),
    [
        ("bert_base/bert_module.py", BERT, "masked_accuracy", "ids"),
        ("resnet50/resnet_module.py", RESNET, "top_5_accuracy", "class_ids"),
    ],
)
def test_small_ones_run(tmp_path, monkeypatch, path, sizes, metric, prediction):
    module = load_example(path)
    if hasattr(module, "GROUPS"):
        monkeypatch.setattr(module, "GROUPS", ((1, 4), (1, 8)))
    params = {**module.estimator_params(), **sizes}
    params.pop("train_batch_size")
    estimator = tpu_estimator.TPUEstimator(
        module.model_fn,
        config=tpu_estimator.RunConfig(model_dir=str(tmp_path), tf_random_seed=1),
        params=params,
        use_tpu=False,
        train_batch_size=4,
        eval_batch_size=4,
        predict_batch_size=4,
    )
    estimator.train(module.train_input_fn, max_steps=2)
    results = estimator.evaluate(module.eval_input_fn, steps=1)
    assert 0 <= results[metric] <= 1
    assert results["global_step"] == 2
    first = next(iter(estimator.predict(module.eval_input_fn)))
    assert prediction in first


@pytest.mark.parametrize("path", ["bert_base/bert_module.py", "resnet50/resnet_module.py"])
def test_receivers_are_of_the_models_sizes(path):
    with tf.Graph().as_default():
        receiver = load_example(path).serving_input_receiver_fn()
    assert all(t.shape[0] is None and None not in t.shape[1:] for t in receiver.features.values())
