import numpy as np
import pytest

from tfx_tpu_estimator.execution.embedding_layout import RowLayout


@pytest.mark.parametrize("partition", ["div", "mod"])
@pytest.mark.parametrize(("rows", "shards"), [(1, 1), (5, 1), (5, 2), (3, 8), (16, 4), (17, 4)])
def test_every_row_is_on_one_shard(rows, shards, partition):
    layout = RowLayout(rows, shards, partition)
    whole = np.arange(rows * 2, dtype=np.float32).reshape(rows, 2)
    parts = [layout.cut(whole, shard) for shard in range(shards)]
    assert {part.shape for part in parts} == {(layout.shard_rows, 2)}
    assert layout.padded_rows == layout.shard_rows * shards
    np.testing.assert_array_equal(layout.join(enumerate(parts), np.dtype("float32")), whole)
    ids = np.arange(rows)
    found = np.zeros(rows, int)
    for shard, part in enumerate(parts):
        places, mine = layout.locate(ids, shard)
        np.testing.assert_array_equal(part[places[mine]], whole[ids[mine]])
        found += mine
    assert found.tolist() == [1] * rows


@pytest.mark.parametrize("partition", ["div", "mod"])
def test_what_is_no_row_is_nowhere(partition):
    layout = RowLayout(5, 2, partition)
    ids = np.array([-1, -2, 5, 6, 100])
    for shard in range(2):
        assert not layout.locate(ids, shard)[1].any()


def test_partitions_are_those_of_tensorflow():
    assert [RowLayout(8, 4, "div").rows_of_shard(i) for i in range(2)] == [slice(0, 2), slice(2, 4)]
    assert RowLayout(8, 4, "mod").rows_of_shard(1) == slice(1, None, 4)


def test_what_is_read_starts_where_a_session_can_read_it_in_place():
    layout = RowLayout(3, 2, "mod")
    parts = enumerate([np.ones([2, 2], np.float32)] * 2)
    assert layout.join(parts, np.dtype("float32")).ctypes.data % 64 == 0
