"""Old module files, with `trainer_fn(fn_args, schema)`, run unmodified."""

import logging
import pathlib

import pytest
import tensorflow as tf
from helpers.artifacts import make_artifact
from helpers.legacy_modules import MODEL_FN_MODULE, TF1_MODULE
from helpers.trainer_runs import TrainerRun
from tfx.types import standard_artifacts

from tfx_tpu_estimator import compat
from tfx_tpu_estimator.components import user_module
from tfx_tpu_estimator.components.options import TPUEstimatorOptions
from tfx_tpu_estimator.errors import UserModuleError


@pytest.fixture
def trainer(tmp_path):
    run = TrainerRun(tmp_path)
    run.module_file.write_text(MODEL_FN_MODULE)
    run.options = TPUEstimatorOptions()
    return run


def test_the_newest_export_becomes_the_model(trainer, caplog):
    caplog.set_level(logging.WARNING)
    model, model_run = trainer.run()
    serving = pathlib.Path(model.uri) / "Format-Serving"
    assert (serving / "saved_model.pb").is_file()
    loaded = tf.saved_model.load(str(serving)).signatures["serving_default"]
    assert "probabilities" in loaded.structured_outputs
    assert model.get_int_custom_property("global_step") == 20
    assert model.get_float_custom_property("metric/accuracy") > 0.9
    assert (pathlib.Path(model_run.uri) / "Format-Serving" / "checkpoint").is_file()
    assert "no EvalSavedModel is exported" in caplog.text
    assert "model_dir" not in caplog.text


def test_nothing_stays_patched(trainer):
    import tensorflow_model_analysis as tfma

    trainer.run()
    assert not compat.is_installed()
    assert not hasattr(tf, "estimator")
    assert not hasattr(tfma, "export")


def test_modules_for_tensorflow_1(trainer):
    trainer.module_file.write_text(TF1_MODULE)
    model, _ = trainer.run()
    assert (pathlib.Path(model.uri) / "Format-Serving" / "saved_model.pb").is_file()
    assert model.get_float_custom_property("metric/accuracy") > 0.8


def test_warm_start_from_the_base_model(trainer):
    model, _ = trainer.run()
    trainer.inputs["base_model"] = [
        make_artifact(standard_artifacts.Model, pathlib.Path(model.uri))
    ]
    trainer.train_args.num_steps = 1
    again, _ = trainer.run()
    assert again.get_float_custom_property("metric/loss") < 1.2 * model.get_float_custom_property(
        "metric/loss"
    )
    assert again.get_int_custom_property("global_step") == 1


@pytest.mark.parametrize(
    ("edit", "error", "text"),
    [
        (("def trainer_fn(trainer_fn_args, schema)", "def trainer_fn(trainer_fn_args)"),
         UserModuleError, r"must take \(fn_args, schema\)"),
        (('"estimator": estimator,', ""), UserModuleError, "must return 'estimator'"),
        (("    return {\n        \"estimator\"", "    return [\n        \"estimator\""),
         UserModuleError, "cannot be imported"),
        (("exporters=[exporter],", ""), RuntimeError, "no exporter has exported a model"),
    ],
)  # fmt: skip
def test_modules_that_do_not_keep_the_contract(trainer, edit, error, text):
    assert edit[0] in MODEL_FN_MODULE
    trainer.module_file.write_text(MODEL_FN_MODULE.replace(*edit))
    with pytest.raises(error, match=text):
        trainer.run()
    assert not compat.is_installed()


def test_another_model_dir_is_said(trainer, caplog, tmp_path):
    text = MODEL_FN_MODULE.replace("trainer_fn_args.serving_model_dir", repr(str(tmp_path / "m")))
    trainer.module_file.write_text(text)
    trainer.run()
    assert "its checkpoints and events will not be in `model_run`" in caplog.text


@pytest.mark.parametrize(
    ("source", "form"),
    [
        ("def trainer_fn(a, b): pass", user_module.ModuleForm.TRAINER_FN),
        ("def trainer_fn(a, b): pass\ndef run_fn(a): pass", user_module.ModuleForm.RUN_FN),
        ("def trainer_fn(a, b): pass\ndef model_fn(features, params): pass",
         user_module.ModuleForm.TRAINER_FN),
        ("from neighbour import trainer_fn", user_module.ModuleForm.TRAINER_FN),
    ],
)  # fmt: skip
def test_forms_are_told_apart(tmp_path, source, form):
    (tmp_path / "neighbour.py").write_text(
        "import tensorflow as tf\nkeys = tf.estimator.ModeKeys\ndef trainer_fn(a, b): pass"
    )
    (tmp_path / "module.py").write_text(source)
    assert user_module.load_module_file(str(tmp_path / "module.py")).form is form


def test_other_forms_get_no_old_names(tmp_path):
    (tmp_path / "module.py").write_text(
        "import tensorflow as tf\nkeys = tf.estimator.ModeKeys\n"
        "def model_fn(features, labels, mode, params): pass"
    )
    with pytest.raises(UserModuleError, match="no attribute 'estimator'"):
        user_module.load_module_file(str(tmp_path / "module.py"))
