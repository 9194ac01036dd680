"""Work of the model on the host is done for each replica's batch, where the input is read."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from helpers.host_inputs import deploy, read_loops

from tfx_tpu_estimator.config.tpu_config import InputPipelineConfig
from tfx_tpu_estimator.inputs.host_stage import StageOutput, attach_stage

WORDS = np.array(["a", "bb", "ccc", "dddd", "eeeee", "f", "gg", "hhh", "i", "jj", "kkk", "l"])


def words_input(count, drop_remainder=True):
    def input_fn(params):
        features = {"words": WORDS[:count], "x": np.arange(count)}
        data = tf.data.Dataset.from_tensor_slices((features, np.arange(count)))
        return data.batch(params["batch_size"], drop_remainder=drop_remainder)

    return input_fn


@dataclasses.dataclass(frozen=True)
class Letters:
    """Sends `x`; counts letters, joins the words of a replica, and pads the bytes of each."""

    size: int
    sent: tuple[str, ...] = ("features/x",)

    @property
    def outputs(self):
        return (
            StageOutput(name="lengths", spec=tf.TensorSpec([self.size], tf.int32),
                        fill=None, of_batch=True),
            StageOutput(name="joined", spec=tf.TensorSpec([], tf.int32),
                        fill=None, of_batch=True),
            StageOutput(name="bytes", spec=tf.TensorSpec([self.size, None], tf.int32),
                        fill=-1, of_batch=True),
        )  # fmt: skip

    def install(self) -> Callable:
        def work(batch):
            words, _, _ = batch
            joined = tf.strings.length(tf.strings.reduce_join(words))
            ones = tf.strings.length(tf.strings.bytes_split(words).to_tensor(""))
            return [tf.strings.length(words), joined, ones - tf.cast(ones == 0, tf.int32)]

        return work


@pytest.mark.parametrize(
    ("pipeline", "size"),
    [(InputPipelineConfig.PER_HOST_V1, 2), (InputPipelineConfig.PER_HOST_V2, 2),
     (InputPipelineConfig.BROADCAST, 4)],
)  # fmt: skip
def test_each_replica_gets_what_the_host_made_of_its_batch(pipeline, size):
    deployed = deploy(words_input(8), pipeline=pipeline, batch_size=4)
    staged = attach_stage(deployed, Letters(size))
    assert [s.name for s in staged.shards] == ["features/x", "lengths", "joined", "bytes"]
    (loop,) = read_loops(staged)
    x, lengths, joined, letters = loop.batches
    copies = 1 if pipeline is InputPipelineConfig.BROADCAST else 2
    assert x.shape == (2, copies, size)
    expected = np.char.str_len(WORDS)[x]
    np.testing.assert_array_equal(lengths, expected)
    np.testing.assert_array_equal(joined, expected.sum(axis=-1))
    # Five letters need rows of eight.
    assert letters.shape == (2, copies, size, 8)
    np.testing.assert_array_equal((letters == 1).sum(axis=-1), expected)


def test_padding_of_the_last_batch_is_marked():
    deployed = deploy(words_input(5, drop_remainder=False), mode="eval", batch_size=4)
    loops = read_loops(attach_stage(deployed, Letters(2)))
    found = np.concatenate([loop.batches[1][loop.valid] for loop in loops])
    np.testing.assert_array_equal(found, np.char.str_len(WORDS[:5]))


def test_nothing_but_the_hosts_results_may_be_sent():
    deployed = deploy(words_input(5, drop_remainder=False), mode="eval", batch_size=4)
    loops = read_loops(attach_stage(deployed, Letters(2, sent=())))
    assert sum(loop.examples for loop in loops) == 5


def test_a_batch_of_another_size_than_declared():
    def input_fn(params):
        data = tf.data.Dataset.from_tensor_slices(WORDS[:8]).batch(params["batch_size"])

        def to_sparse(words):
            sparse = tf.sparse.from_dense(tf.expand_dims(words, 1))
            short = tf.sparse.slice(sparse, [0, 0], [3, 1])
            return {"words": short, "x": tf.zeros([4])}, tf.zeros([4])

        return data.map(to_sparse)

    @dataclasses.dataclass(frozen=True)
    class Count(Letters):
        outputs = (StageOutput(name="n", spec=tf.TensorSpec([]), fill=None, of_batch=True),)

        def install(self):
            return lambda batch: [tf.reduce_sum(tf.cast(batch[2][0], tf.float32))]

    deployed = deploy(input_fn, batch_size=4, cores=1)
    with pytest.raises(ValueError, match="`features/words`: a batch of 3 examples came where 4"):
        read_loops(attach_stage(deployed, Count(4)))
