"""What an evaluation says of settings that had no effect."""

import pytest
from helpers.evaluated import write_echo_model, write_scored_examples
from helpers.evaluator_runs import parse_config

from tfx_tpu_estimator.components.evaluator.eval_config_checks import check_signatures
from tfx_tpu_estimator.components.evaluator.notes import find_notes
from tfx_tpu_estimator.components.evaluator.report.writing import write_evaluation_page
from tfx_tpu_estimator.components.evaluator.sliced import SlicedEvaluation
from tfx_tpu_estimator.components.saved_model import read_meta_graphs

CONFIG = """
  model_specs { label_key: "label" prediction_key: "probabilities" }
  metrics_specs { metrics { class_name: "ExampleCount" } }
  slicing_specs {} slicing_specs { feature_keys: "made" }
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("notes")
    sliced = SlicedEvaluation(
        config=parse_config(CONFIG),
        model=write_echo_model(root / "model", outputs=["probability"]),
        baseline=None,
        files=[write_scored_examples(root / "data.gz")],
        compression="GZIP",
        data_location="data",
        add_features=lambda features: {"made": features["score"] > 0.5},
    )
    return root, sliced


def evaluate(made, slices):
    root, sliced = made
    path = str(root / "out")
    config = parse_config(CONFIG + slices)
    sliced = SlicedEvaluation(**{**vars(sliced), "config": config})
    return sliced, path, sliced.run(path)


@pytest.mark.parametrize(
    ("slices", "said"),
    [
        ("", []),
        (
            'slicing_specs { feature_keys: "size" feature_values { key: "color" value: "red" } }',
            [
                "no example is in a slice by 'size' within color=red. None of the first 60 "
                "examples has the feature 'size'. Did you mean 'sizes'?"
            ],
        ),
        (
            'slicing_specs { feature_values { key: "weight" value: "9" } }',
            ["no example is in the slice weight=9."],
        ),
        (
            'cross_slicing_specs { baseline_spec {} slicing_specs { feature_keys: "mad" } }',
            [
                "no example is in a slice by 'mad'. None of the first 60 examples has the feature "
                "'mad'. Did you mean 'made'?"
            ],
        ),
    ],
    ids=["none", "feature", "value", "across"],
)
def test_slices_of_nothing(made, slices, said):
    found = find_notes(*evaluate(made, slices), uses_outputs=False)
    assert found == [f"`eval_config`: {words}" for words in said]


def test_both_engines_say_the_same_of_their_results(made):
    sliced, path, evaluation = evaluate(made, 'slicing_specs { feature_keys: "mad" }')
    assert find_notes(sliced, path, None) == find_notes(sliced, path, evaluation)


def test_the_only_output_is_evaluated_whatever_the_key(made):
    """As TensorFlow Model Analysis does, but not in silence."""
    sliced, path, evaluation = evaluate(made, "")
    check_signatures(sliced.config, read_meta_graphs(sliced.model), sliced.model)
    (note,) = find_notes(sliced, path, evaluation)
    assert "`prediction_key` is 'probabilities', but the only output" in note
    page = write_evaluation_page(
        path,
        title="model",
        verdict=None,
        validation=None,
        sliced=sliced,
        evaluation=evaluation,
        engine="runtime",
        model_fn_metrics={},
        notes=[note],
    )
    with open(page, encoding="utf-8") as file:
        text = file.read()
    assert "callout warn" in text
    assert "<code>prediction_key</code> is &#x27;probabilities&#x27;" in text


@pytest.mark.parametrize(
    ("spec", "match"),
    [
        ('prediction_key: "probabilty"', "are other, probability; name.* 'probability'"),
        ("", "`prediction_key` is '', the outputs of the model at .* are other, probability"),
        ('signature_name: "serving"', "no signature 'serving'; it has serving_default. Did you"),
    ],
)
def test_what_the_model_lacks_is_an_error(made, tmp_path, spec, match):
    path = write_echo_model(tmp_path / "model")
    graphs = read_meta_graphs(path)
    for is_baseline in (False, True):
        with pytest.raises(ValueError, match=match):
            check_signatures(
                parse_config(f"model_specs {{ {spec} }}"), graphs, path, is_baseline=is_baseline
            )


def test_each_model_has_its_own_key(made, tmp_path):
    path = write_echo_model(tmp_path / "model")
    graphs = read_meta_graphs(path)
    config = parse_config(
        'model_specs { prediction_key: "other" } '
        'model_specs { is_baseline: true prediction_key: "gone" }'
    )
    check_signatures(config, graphs, path)
    check_signatures(config, graphs, path, is_baseline=True, with_outputs=False)
    with pytest.raises(ValueError, match="`prediction_key` is 'gone'"):
        check_signatures(config, graphs, path, is_baseline=True)
