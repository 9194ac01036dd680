import pytest

from tfx_tpu_estimator.config.batch_size import resolve_batch_sizes
from tfx_tpu_estimator.config.topology import Topology
from tfx_tpu_estimator.config.tpu_config import InputPipelineConfig as Pipeline

TWO_HOSTS = Topology(num_hosts=2, cores_per_host=4)
SPANNING = Topology(num_hosts=2, cores_per_host=2, cores_per_replica=4)


@pytest.mark.parametrize(
    ("mode", "pipeline", "topology", "input_fn", "model_fn"),
    [
        ("train", Pipeline.PER_SHARD_V1, TWO_HOSTS, 8, 8),
        ("train", Pipeline.PER_HOST_V1, TWO_HOSTS, 32, 8),
        ("train", Pipeline.PER_HOST_V2, TWO_HOSTS, 8, 8),
        ("train", Pipeline.BROADCAST, TWO_HOSTS, 64, 64),
        ("train", Pipeline.PER_HOST_V2, SPANNING, 64, 64),
        ("eval", Pipeline.PER_HOST_V1, TWO_HOSTS, 32, 8),
        ("eval", Pipeline.PER_HOST_V2, TWO_HOSTS, 8, 8),
        ("eval", Pipeline.SLICED, TWO_HOSTS, 64, 8),
        ("infer", Pipeline.PER_HOST_V1, TWO_HOSTS, 32, 8),
        ("infer", Pipeline.BROADCAST, TWO_HOSTS, 64, 64),
    ],
)
def test_sizes_seen_in_params(mode, pipeline, topology, input_fn, model_fn):
    sizes = resolve_batch_sizes(mode, 64, pipeline, topology)
    assert (sizes.total, sizes.input_fn, sizes.model_fn) == (64, input_fn, model_fn)


@pytest.mark.parametrize(
    ("mode", "name"), [("train", "train"), ("eval", "eval"), ("infer", "predict")]
)
@pytest.mark.parametrize("pipeline", [Pipeline.PER_HOST_V1, Pipeline.PER_HOST_V2, Pipeline.SLICED])
def test_size_must_divide(mode, name, pipeline):
    with pytest.raises(ValueError, match=f"{name} batch size 13 must be divisible by .* 8"):
        resolve_batch_sizes(mode, 13, pipeline, TWO_HOSTS)


def test_broadcast_need_not_divide():
    assert resolve_batch_sizes("train", 13, Pipeline.BROADCAST, TWO_HOSTS).model_fn == 13


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        ("train", "`train_batch_size` cannot be `None`"),
        ("eval", "eval_batch_size in TPUEstimator constructor cannot be `None`"),
        ("infer", "predict_batch_size in TPUEstimator constructor cannot be `None`"),
    ],
)
def test_size_is_needed(mode, text):
    with pytest.raises(ValueError, match=text):
        resolve_batch_sizes(mode, None, Pipeline.PER_HOST_V1, TWO_HOSTS)


def test_size_of_the_wrong_kind():
    with pytest.raises(TypeError, match="eval_batch_size must be int"):
        resolve_batch_sizes("eval", 8.0, Pipeline.PER_HOST_V1, TWO_HOSTS)
    with pytest.raises(ValueError, match="`mode` must be one of"):
        resolve_batch_sizes("test", 8, Pipeline.PER_HOST_V1, TWO_HOSTS)
