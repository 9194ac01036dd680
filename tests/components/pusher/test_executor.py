"""Tests of the Pusher's executor on real SavedModels."""

import os
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf
from helpers.artifacts import make_artifact, make_output
from helpers.saved_models import write_saved_model
from tfx.proto import pusher_pb2
from tfx.types import standard_artifacts
from tfx.utils import json_utils, proto_utils

from tfx_tpu_estimator.components.digest import compute_model_digest
from tfx_tpu_estimator.components.pusher.executor import Executor
from tfx_tpu_estimator.components.pusher.rollback import roll_back


class Push:
    """One Pusher execution on temporary directories."""

    def __init__(self, root: pathlib.Path):
        self.root = root
        self.base = root / "serving"
        self.model = make_artifact(standard_artifacts.Model, root / "trainer" / "model" / "1")
        self.serving_path = pathlib.Path(self.model.uri) / "Format-Serving"
        self.blessing = make_artifact(
            standard_artifacts.ModelBlessing,
            root / "evaluator" / "blessing" / "2",
            blessed=1,
            current_model=self.model.uri,
            current_model_id=self.model.id,
        )
        self.inputs = {"model": [self.model], "model_blessing": [self.blessing]}
        self.custom_config = None
        self.executions = 2

    def write_model(self, **arguments):
        shutil.rmtree(self.serving_path, ignore_errors=True)
        write_saved_model(str(self.serving_path), **arguments)

    def run(self):
        self.executions += 1
        output = make_output(
            standard_artifacts.PushedModel, self.root / "pusher", "pushed_model", self.executions
        )
        destination = pusher_pb2.PushDestination(
            filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=str(self.base))
        )
        Executor().Do(
            self.inputs,
            {"pushed_model": [output]},
            {
                "push_destination": proto_utils.proto_to_json(destination),
                "custom_config": json_utils.dumps(self.custom_config),
                "code_digest": "x",
            },
        )
        return output

    def versions(self):
        return sorted(os.listdir(self.base)) if self.base.exists() else []


@pytest.fixture
def push(tmp_path):
    return Push(tmp_path)


def predict(path):
    loaded = tf.saved_model.load(str(path), tags=["serve"])
    batch = tf.constant(np.eye(4, dtype="f4"))
    return loaded.signatures["serving_default"](x=batch)["scores"].numpy()


def test_a_blessed_model_is_pushed(push):
    push.write_model()
    pushed = push.run()
    assert pushed.get_int_custom_property("pushed") == 1
    version = pushed.get_string_custom_property("pushed_version")
    destination = pushed.get_string_custom_property("pushed_destination")
    assert destination == str(push.base / version)
    assert pushed.get_int_custom_property("already_newest") == 0
    assert pushed.has_custom_property("model_digest")
    expected = predict(push.serving_path)
    np.testing.assert_array_equal(predict(destination), expected)
    np.testing.assert_array_equal(predict(pushed.uri), expected)


def test_the_same_model_again_is_found(push):
    push.write_model()
    first, second = push.run(), push.run()
    assert second.get_int_custom_property("pushed") == 1
    assert second.get_int_custom_property("already_newest") == 1
    for key in ("pushed_version", "pushed_destination", "model_digest"):
        assert second.get_string_custom_property(key) == first.get_string_custom_property(key)
    assert len(push.versions()) == 2
    assert os.path.exists(os.path.join(second.uri, "saved_model.pb"))


def test_another_model_gets_a_larger_version(push):
    push.write_model()
    first = push.run()
    push.write_model(scale=2.0)
    second = push.run()
    assert second.get_int_custom_property("already_newest") == 0
    assert int(second.get_string_custom_property("pushed_version")) > int(
        first.get_string_custom_property("pushed_version")
    )


def test_an_unblessed_model_is_refused_with_the_reason(push):
    push.blessing.set_int_custom_property("blessed", 0)
    push.blessing.set_string_custom_property("reason", "auc is 0.4, needed 0.5")
    pushed = push.run()
    assert pushed.get_int_custom_property("pushed") == 0
    assert "auc is 0.4, needed 0.5" in pushed.get_string_custom_property("reason")
    assert push.versions() == []
    assert os.listdir(pushed.uri) == []


def test_a_blessing_without_a_verdict_is_no_blessing(push, tmp_path):
    push.inputs["model_blessing"] = [
        make_artifact(standard_artifacts.ModelBlessing, tmp_path / "silent")
    ]
    pushed = push.run()
    assert pushed.get_int_custom_property("pushed") == 0
    assert "no reason recorded" in pushed.get_string_custom_property("reason")


def test_an_infra_validator_can_refuse(push, tmp_path):
    push.inputs["infra_blessing"] = [
        make_artifact(standard_artifacts.InfraBlessing, tmp_path / "infra", blessed=0)
    ]
    pushed = push.run()
    assert pushed.get_int_custom_property("pushed") == 0
    assert "InfraValidator" in pushed.get_string_custom_property("reason")


def test_the_validators_reason_is_told(push, tmp_path):
    push.inputs["infra_blessing"] = [
        make_artifact(
            standard_artifacts.InfraBlessing,
            tmp_path / "infra",
            blessed=0,
            reason="serving does not fit",
        )
    ]
    reason = push.run().get_string_custom_property("reason")
    assert reason == "the TPUValidator did not bless the model: serving does not fit"


def test_an_infra_blessing_for_another_model_is_an_error(push, tmp_path):
    push.write_model()
    push.inputs["infra_blessing"] = [
        make_artifact(
            standard_artifacts.InfraBlessing, tmp_path / "infra", blessed=1, current_model="other"
        )
    ]
    with pytest.raises(ValueError, match="`infra_blessing` is for the model at other"):
        push.run()
    assert push.versions() == []


@pytest.mark.parametrize("key", ["model_blessing", "infra_blessing"])
def test_a_model_that_changed_after_its_blessing_is_not_pushed(push, tmp_path, key):
    push.write_model()
    digest = compute_model_digest(str(push.serving_path))
    kind = {
        "model_blessing": standard_artifacts.ModelBlessing,
        "infra_blessing": standard_artifacts.InfraBlessing,
    }[key]
    push.inputs[key] = [make_artifact(kind, tmp_path / "b", blessed=1, model_digest=digest)]
    assert push.run().get_int_custom_property("pushed") == 1
    (push.serving_path / "assets").mkdir()
    (push.serving_path / "assets" / "words.txt").write_text("new")
    with pytest.raises(ValueError, match=f"has changed since it was blessed.*`{key}` is for"):
        push.run()
    assert len([name for name in push.versions() if name.isdigit()]) == 1


def test_no_blessing_connected_pushes(push):
    push.write_model()
    del push.inputs["model_blessing"]
    assert push.run().get_int_custom_property("pushed") == 1


@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("current_model_id", 99_999_999, "is for the model with id 99999999"),
        ("current_model", "elsewhere/model/7", "is for the model at elsewhere/model/7"),
    ],
)
def test_a_blessing_for_another_model_is_an_error(push, key, value, match):
    push.write_model()
    setter = "set_int_custom_property" if isinstance(value, int) else "set_string_custom_property"
    getattr(push.blessing, setter)(key, value)
    with pytest.raises(ValueError, match=f"`model_blessing` {match}"):
        push.run()
    assert push.versions() == []


def test_vertex_stores_integers_as_floats(push):
    push.write_model()
    push.blessing.set_float_custom_property("blessed", 1.0)
    push.blessing.set_float_custom_property("current_model_id", float(push.model.id))
    assert push.run().get_int_custom_property("pushed") == 1


def test_no_tpu_metagraph(push):
    push.write_model(tpu=None)
    with pytest.raises(ValueError, match=r"has the metagraphs \{serve\}, not \{serve, tpu\}"):
        push.run()
    assert push.versions() == []
    push.custom_config = {"tpu_estimator_pusher": {"require_tpu_metagraph": False}}
    assert push.run().get_int_custom_property("pushed") == 1


def test_a_tpu_metagraph_without_a_tpu_computation(push):
    push.write_model(tpu="host")
    with pytest.raises(ValueError, match="has no TPU computation in it"):
        push.run()
    assert push.versions() == []


def test_metagraphs_with_different_signatures(push):
    push.write_model(output_name="other")
    with pytest.raises(ValueError, match=r"differ in the signatures \['serving_default'\]"):
        push.run()
    assert push.versions() == []


def test_no_model(push):
    with pytest.raises(ValueError, match=r"there is no saved_model\.pb in .*Format-Serving"):
        push.run()
    assert push.versions() == []


def test_a_damaged_graph(push):
    push.write_model()
    (push.serving_path / "saved_model.pb").write_bytes(b"\xff\xff not a proto")
    with pytest.raises(ValueError, match=r"saved_model\.pb cannot be parsed"):
        push.run()
    assert push.versions() == []


def test_missing_variables(push):
    push.write_model()
    for file in (push.serving_path / "variables").glob("*.data-*"):
        file.unlink()
    with pytest.raises(ValueError, match=r"\{serve\} metagraph of .* cannot be loaded"):
        push.run()
    assert push.versions() == []


def test_truncated_variables(push):
    push.write_model()
    for file in (push.serving_path / "variables").glob("*.data-*"):
        file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(ValueError, match=r"\{serve\} metagraph of .* cannot be loaded"):
        push.run()
    assert push.versions() == []


def test_what_is_recorded_in_the_artifact(push):
    push.write_model()
    first = push.run()
    assert not first.has_custom_property("previous_version")
    push.write_model(scale=2.0)
    second = push.run()
    properties = {
        key: second.get_string_custom_property(key)
        for key in ("previous_version", "source_model", "model_digest", "pushed_digest")
    }
    digest = compute_model_digest(str(push.serving_path))
    assert properties == {
        "previous_version": first.get_string_custom_property("pushed_version"),
        "source_model": push.model.uri,
        "model_digest": digest,
        "pushed_digest": digest,
    }


def test_serve_only_is_for_clients_that_cannot_choose_tags(push):
    push.write_model()
    push.custom_config = {"tpu_estimator_pusher": {"serve_only": True}}
    pushed = push.run()
    destination = pushed.get_string_custom_property("pushed_destination")
    with pytest.raises(ValueError, match="more than one MetaGraph"):
        tf.saved_model.load(str(push.serving_path))
    loaded = tf.saved_model.load(destination)  # without tags
    scores = loaded.signatures["serving_default"](x=tf.constant(np.eye(4, dtype="f4")))["scores"]
    np.testing.assert_array_equal(scores, predict(push.serving_path))
    for folder in (destination, pushed.uri):
        files = sorted(os.listdir(os.path.join(folder, "variables")))
        assert files == sorted(os.listdir(push.serving_path / "variables"))
        for name in files:
            path = pathlib.Path(folder) / "variables" / name
            assert path.read_bytes() == (push.serving_path / "variables" / name).read_bytes()
    assert pushed.get_string_custom_property("model_digest") == compute_model_digest(
        str(push.serving_path)
    )
    # The same bytes again: nothing new. Both metagraphs: another version.
    assert push.run().get_int_custom_property("already_newest") == 1
    push.custom_config = None
    assert push.run().get_int_custom_property("already_newest") == 0


def test_a_model_that_changed_after_training_is_not_pushed(push):
    push.write_model()
    push.model.set_string_custom_property("model_digest", "0" * 64)
    with pytest.raises(ValueError, match=r"has changed since it was trained.*recorded 000000"):
        push.run()
    assert push.versions() == []


def test_what_was_rolled_back_is_refused(push):
    push.write_model()
    push.run()
    push.write_model(scale=2.0)
    push.run()
    roll_back(str(push.base))
    refused = push.run()
    assert refused.get_int_custom_property("pushed") == 0
    assert "rolled back" in refused.get_string_custom_property("reason")
    assert os.listdir(refused.uri) == []


def test_ops_that_have_no_place_on_a_server(push, tmp_path):
    module = tf.Module()
    module.f = tf.function(
        lambda x: {"y": tf.io.read_file(x)}, input_signature=[tf.TensorSpec([], tf.string)]
    )
    tf.saved_model.save(module, str(push.serving_path), signatures=module.f.get_concrete_function())
    options = {"require_tpu_metagraph": False}
    push.custom_config = {"tpu_estimator_pusher": options}
    with pytest.raises(ValueError, match=r"ReadFile \(node .* reads files.*`allowed_ops=\('ReadF"):
        push.run()
    assert push.versions() == []
    options["allowed_ops"] = ["ReadFile"]
    assert push.run().get_int_custom_property("pushed") == 1
