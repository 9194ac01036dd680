"""Tests of the TPUValidator's executor: real models, the real TPU compiler, both Pushers."""

import json
import os
import pathlib

import numpy as np
import pytest
from helpers.artifacts import make_artifact, make_examples, make_output
from helpers.needs import needs_libtpu
from helpers.saved_models import write_saved_model
from helpers.tfrecords import make_example, write_records
from helpers.trainer_runs import TrainerRun
from helpers.user_modules import MODEL
from tensorflow.core.protobuf import saved_model_pb2
from tfx.components.pusher import executor as tfx_pusher
from tfx.proto import pusher_pb2
from tfx.types import standard_artifacts
from tfx.utils import json_utils, proto_utils

from tfx_tpu_estimator import CompileReport, SkewReport, Tolerance
from tfx_tpu_estimator.compile_check import compiler
from tfx_tpu_estimator.components import TPUEstimatorOptions, TPUValidatorOptions
from tfx_tpu_estimator.components.digest import compute_model_digest
from tfx_tpu_estimator.components.pusher.executor import Executor as PusherExecutor
from tfx_tpu_estimator.components.tpu_validator.executor import Executor

pytestmark = needs_libtpu


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory):
    return str(tmp_path_factory.mktemp("compiled"))


class Validation:
    """One TPUValidator execution, and a push of what it blessed."""

    def __init__(self, root: pathlib.Path, cache_dir: str):
        self.root = root
        self.cache_dir = cache_dir
        self.model = make_artifact(standard_artifacts.Model, root / "trainer" / "model" / "1")
        self.serving_path = pathlib.Path(self.model.uri) / "Format-Serving"
        self.examples = make_examples(root / "examples", ["eval"])
        self.write_examples([make_example(x=[float(i), 1.0, -1.0, 0.5]) for i in range(20)])
        self.inputs = {"model": [self.model], "examples": [self.examples]}

    def write_examples(self, records):
        write_records(pathlib.Path(self.examples.uri) / "Split-eval" / "data.gz", records, "GZIP")

    def write_model(self, **arguments):
        write_saved_model(str(self.serving_path), **arguments)

    def tamper(self):
        """Makes the TPU computation negate its result."""
        path = self.serving_path / "saved_model.pb"
        saved_model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
        (tpu,) = [m for m in saved_model.meta_graphs if "tpu" in m.meta_info_def.tags]
        (function,) = tpu.graph_def.library.function
        (softmax,) = [n for n in function.node_def if n.op == "Softmax"]
        result = f"{softmax.name}:softmax:0"
        for node in function.node_def:
            node.input[:] = ["negated:y:0" if i == result else i for i in node.input]
        negated = function.node_def.add(name="negated", op="Neg", input=[result])
        negated.attr["T"].CopyFrom(softmax.attr["T"])
        negated.attr["_tpu_replicate"].CopyFrom(softmax.attr["_tpu_replicate"])
        path.write_bytes(saved_model.SerializeToString())

    def run(self, **options):
        options = {"topology": "v5e:2x2", "cache_dir": self.cache_dir, **options}
        blessing = make_output(
            standard_artifacts.InfraBlessing, self.root / "validator", "blessing", 2
        )
        Executor().Do(
            self.inputs,
            {"blessing": [blessing]},
            {
                "tpu_validator_options": TPUValidatorOptions(**options).to_json(),
                "code_digest": "x",
                "compiler": "y",
            },
        )
        return blessing

    def push(self, blessing, executor):
        base = self.root / "serving"
        pushed = make_output(standard_artifacts.PushedModel, self.root / "pusher", "pushed", 3)
        destination = pusher_pb2.PushDestination(
            filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=str(base))
        )
        executor().Do(
            {"model": [self.model], "infra_blessing": [blessing]},
            {"pushed_model": [pushed]},
            {
                "push_destination": proto_utils.proto_to_json(destination),
                "custom_config": json_utils.dumps(None),
                "code_digest": "x",
            },
        )
        return pushed


@pytest.fixture
def validation(tmp_path, cache_dir):
    return Validation(tmp_path, cache_dir)


def reason(blessing):
    return blessing.get_string_custom_property("reason")


def read_compile_report(blessing):
    path = pathlib.Path(blessing.uri) / "compile_report.json"
    return CompileReport.from_json(json.loads(path.read_text()))


@pytest.mark.parametrize("executor", [PusherExecutor, tfx_pusher.Executor])
def test_a_good_model_is_blessed_and_pushed(validation, executor):
    validation.write_model()
    blessing = validation.run(num_examples=15)
    assert sorted(os.listdir(blessing.uri)) == [
        "INFRA_BLESSED", "compile_report.html", "compile_report.json", "skew_report.json",
    ]  # fmt: skip
    assert blessing.get_int_custom_property("blessed") == 1
    assert "serving for v5e:2x2 compiles and needs" in reason(blessing)
    assert "15 examples" in reason(blessing)
    expected = compute_model_digest(str(validation.serving_path))
    assert blessing.get_string_custom_property("model_digest") == expected
    assert blessing.get_string_custom_property("compiler") == compiler.describe_compiler()
    (program,) = read_compile_report(blessing).programs
    assert (program.status, program.per_core_batch) == ("fits", 8)
    skew = SkewReport.from_json((pathlib.Path(blessing.uri) / "skew_report.json").read_text())
    assert skew.passed
    assert skew.examples == 15
    page = (pathlib.Path(blessing.uri) / "compile_report.html").read_text()
    assert "v5e:2x2" in page
    pushed = validation.push(blessing, executor)
    assert pushed.get_int_custom_property("pushed") == 1


@pytest.mark.parametrize("executor", [PusherExecutor, tfx_pusher.Executor])
def test_a_tpu_graph_that_was_tampered_with_is_not_pushed(validation, executor):
    validation.write_model()
    validation.tamper()
    blessing = validation.run()
    assert blessing.get_int_custom_property("blessed") == 0
    assert os.path.exists(os.path.join(blessing.uri, "INFRA_NOT_BLESSED"))
    assert reason(blessing).startswith("skew check: FAILED")
    assert "scores" in reason(blessing)
    pushed = validation.push(blessing, executor)
    assert pushed.get_int_custom_property("pushed") == 0
    assert not (validation.root / "serving").exists()


def test_a_tolerance_lets_a_difference_pass(validation):
    validation.write_model()
    validation.tamper()
    blessing = validation.run(tolerances={"scores": Tolerance(absolute=1.5)})
    assert blessing.get_int_custom_property("blessed") == 1


@pytest.mark.parametrize(
    ("tpu", "match"),
    [
        ("host", "serving for v5e:2x2 (refused): No signature of {serve, tpu} reaches a TPU"),
        (None, "has no metagraph {serve, tpu}"),
    ],
)
def test_a_model_that_is_not_for_a_tpu_is_not_blessed(validation, tpu, match):
    validation.write_model(tpu=tpu)
    blessing = validation.run()
    assert blessing.get_int_custom_property("blessed") == 0
    assert match in reason(blessing)


def test_a_batch_that_does_not_fit_is_not_blessed(validation):
    validation.write_model()
    del validation.inputs["examples"]
    blessing = validation.run(batch_size=2**29)
    assert "serving for v5e:2x2 (too_large): The serving program with 536870912" in reason(blessing)
    assert blessing.get_int_custom_property("blessed") == 0


def test_without_a_compiler_it_fails_or_says_so(validation, monkeypatch):
    validation.write_model()
    monkeypatch.setattr(compiler, "_PACKAGE", "no_such_libtpu")
    with pytest.raises(RuntimeError, match=r"not installed.*missing_compiler='skip'"):
        validation.run()
    blessing = validation.run(missing_compiler="skip")
    assert blessing.get_int_custom_property("blessed") == 1
    assert "the compile check was left out: the TPU compiler (libtpu) is not" in reason(blessing)
    assert "; skew check: PASSED" in reason(blessing)
    assert not blessing.has_custom_property("compiler")
    assert not os.path.exists(os.path.join(blessing.uri, "compile_report.json"))


def test_only_the_skew_check(validation):
    validation.write_model()
    blessing = validation.run(compile_check=False)
    assert reason(blessing).startswith("the compile check was left out: `compile_check=False`")


def test_programs_of_the_module_it_was_trained_with(tmp_path, validation):
    trainer = TrainerRun(tmp_path / "data")
    trainer.options = TPUEstimatorOptions(train_batch_size=16, label_key="label")
    trainer.module_file.write_text(
        MODEL.replace(
            'tf1.train.GradientDescentOptimizer(params.get("learning_rate", 0.5))',
            "tf1.tpu.CrossShardOptimizer(tf1.train.GradientDescentOptimizer(0.5))",
        )
    )
    model, _ = trainer.run()
    validation.inputs = {"model": [model], "examples": [trainer.examples]}
    blessing = validation.run(programs=("serving", "train", "eval"))
    assert blessing.get_int_custom_property("blessed") == 1, reason(blessing)
    report = read_compile_report(blessing)
    assert [p.program for p in report.programs] == ["train", "eval", "serving"]
    assert [p.per_core_batch for p in report.programs] == [4, 4, 8]
    # The gradients and the loss are summed over four cores.
    assert [c.kind for c in report.programs[0].collectives] == ["all-reduce"]


def test_programs_of_a_module_that_nobody_recorded(validation):
    validation.write_model()
    with pytest.raises(ValueError, match=r"has 'train', but the model has no record of the module"):
        validation.run(programs=("train",))


@pytest.mark.parametrize(
    ("records", "options", "match"),
    [
        ([make_example(y=[1.0])], {}, "lacks 'x'"),
        ([make_example(x=[1.0])], {}, "'x'"),
        ([make_example(x=[1.0] * 4)], {"split": "test"}, "`options.split` names the split 'test'"),
    ],
)
def test_examples_that_cannot_be_used_are_an_error(validation, records, options, match):
    validation.write_model()
    validation.write_examples(records)
    with pytest.raises(ValueError, match=match):
        validation.run(**options)


def test_examples_are_those_of_the_split(validation):
    validation.write_model()
    extra = np.full(4, np.nan).tolist()
    validation.write_examples([make_example(x=extra)])
    assert "1 example" in reason(validation.run())
