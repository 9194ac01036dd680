"""How many examples run at a time."""

import numpy as np
import pytest
import tensorflow as tf

from tfx_tpu_estimator.skew_check.batch_sizes import (
    BatchRule,
    choose_batch_size,
    cut_rows_graph,
    pad_rows_graph,
)


def rule(largest, *sizes):
    return BatchRule(name="b", sizes=sizes, largest=largest)


@pytest.mark.parametrize(
    ("wanted", "fixed", "rules", "chosen"),
    [
        (64, [], [], 64),
        (64, [("s/x", 3)], [], 3),
        (64, [], [rule(8, 2, 4, 8)], 8),
        (7, [], [rule(8, 2, 4, 8)], 4),
        (1, [], [rule(8, 2, 4, 8)], 2),
        (64, [], [rule(10)], 10),
        (64, [], [rule(8, 2, 8), rule(32, 2, 16, 32)], 2),
    ],
)
def test_the_graph_says_what_is_allowed(wanted, fixed, rules, chosen):
    assert choose_batch_size(wanted, fixed, rules) == chosen


def test_different_fixed_sizes_are_refused():
    with pytest.raises(ValueError, match="different fixed batch sizes"):
        choose_batch_size(64, [("s/x", 3), ("s/y", 4)], [])


@pytest.mark.parametrize(("rows", "padded"), [(1, 2), (2, 2), (3, 4), (4, 4), (5, 5)])
def test_rows_are_filled_up_and_cut_again(rows, padded):
    def run(built, arrays):
        graph_def, inputs, outputs = built
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            tf.graph_util.import_graph_def(graph_def, name="")
            feeds = {f"{name}:0": array for name, array in zip(inputs, arrays, strict=True)}
            return session.run(outputs, feeds)

    x = np.arange(rows, dtype=np.float32)
    (filled,) = run(pad_rows_graph([tf.float32], [2, 4]), [x])
    assert filled.tolist() == [*x, *[x[-1]] * (padded - rows)]
    (cut,) = run(cut_rows_graph([tf.float32], tf.float32), [filled, x])
    assert cut.tolist() == x.tolist()
