import dataclasses

import pytest
from helpers.pipeline_runs import make_config


def test_config_is_frozen(tmp_path):
    config = make_config(tmp_path)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.name = "other"


def test_a_printed_config_shows_no_password(tmp_path):
    config = make_config(tmp_path, metadata_path="mysql://tfx:secret@db/metadata")
    assert "metadata_path='mysql://tfx:***@db/metadata', examples_dir=" in repr(config)
    assert config.metadata_path == "mysql://tfx:secret@db/metadata"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "a/b"}, "`name` 'a/b' must start with a letter or digit"),
        ({"name": ""}, "`name`"),
        ({"splits": {}}, "`splits` is empty"),
        ({"train_steps": 0}, "`train_steps` must be an int > 0"),
        ({"eval_steps": 1.5}, "`eval_steps` must be an int > 0"),
        ({"module_file": "/no/module.py"}, "`module_file` '/no/module.py' does not exist"),
        ({"schema_file": "/no/schema.pbtxt"}, "`schema_file`"),
        ({"evaluator_module_file": "/no/e.py"}, "`evaluator_module_file`"),
    ],
)
def test_bad_values_are_refused_before_anything_runs(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        make_config(tmp_path, **changes)


def test_the_validators_options_are_no_dict(tmp_path):
    with pytest.raises(TypeError, match=r"`validator` must be TPUValidatorOptions or None, got {"):
        make_config(tmp_path, validator={"topology": "v5e:2x2"})


def test_the_pushers_options_are_no_dict(tmp_path):
    with pytest.raises(TypeError, match=r"`pusher_options` must be PusherOptions or None, got {"):
        make_config(tmp_path, pusher_options={"serve_only": True})


def test_a_name_that_is_no_field_is_an_error_with_the_nearest(tmp_path):
    with pytest.raises(TypeError, match=r"`evl_config` is not a PipelineConfig .*`eval_config`"):
        make_config(tmp_path, evl_config=None)


def test_warm_start(tmp_path):
    from tfx_tpu_estimator.pipelines.pipeline import create_pipeline

    with pytest.raises(TypeError, match="`warm_start` must be bool"):
        make_config(tmp_path, warm_start=1)
    for warm_start in (False, True):
        pipeline = create_pipeline(make_config(tmp_path, warm_start=warm_start))
        nodes = {node.id: node for node in pipeline.components}
        assert ("base_model" in nodes["Trainer"].inputs) is warm_start
        # Its output is where training starts, and what the Evaluator compares with.
        assert "baseline_model" in nodes["Evaluator"].inputs


def test_remote_files_are_left_to_the_runner(tmp_path):
    assert make_config(tmp_path, module_file="gs://bucket/module.py").module_file.startswith("gs:")
