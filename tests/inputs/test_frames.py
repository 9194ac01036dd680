"""Input functions over data frames."""

import pytest

from tfx_tpu_estimator.inputs.arrays import pandas_input_fn

pd = pytest.importorskip("pandas", reason="needs pandas: `pip install pandas`")


def read(input_fn):
    return list(input_fn().as_numpy_iterator())


def make_frame():
    return pd.DataFrame({"a": [1.0, 2.0, 3.0], "s": ["p", "q", "r"]}, index=[5, 6, 7])


def test_series_as_label():
    label = pd.Series([0, 1, 2], index=[5, 6, 7])
    features, labels = read(pandas_input_fn(make_frame(), label, 2, shuffle=False))[0]
    assert features["a"].tolist() == [1.0, 2.0]
    assert features["s"].tolist() == [b"p", b"q"]
    assert labels.tolist() == [0, 1]


def test_frame_as_labels_may_share_names_with_features():
    label = pd.DataFrame({"a": [0, 1, 2], "c": [3, 4, 5]}, index=[5, 6, 7])
    _, labels = read(pandas_input_fn(make_frame(), label, 3, shuffle=False))[0]
    assert {name: value.tolist() for name, value in labels.items()} == {
        "a": [0, 1, 2],
        "c": [3, 4, 5],
    }


def test_frame_without_label():
    assert set(read(pandas_input_fn(make_frame(), batch_size=3, shuffle=False))[0]) == {"a", "s"}


@pytest.mark.parametrize(
    ("error", "text", "arguments"),
    [
        (ValueError, "explicitly set as boolean", {}),
        (ValueError, "Index for x and y are mismatched", {"y": pd.Series([1, 2, 3]),
                                                          "shuffle": True}),
        (ValueError, "Cannot use name a for target column",
         {"y": pd.Series([1, 2, 3], [5, 6, 7]), "target_column": "a", "shuffle": True}),
        (TypeError, "must be a string type", {"target_column": 3, "shuffle": True}),
    ],
)  # fmt: skip
def test_wrong_pandas_arguments(error, text, arguments):
    with pytest.raises(error, match=text):
        pandas_input_fn(make_frame(), **arguments)
