"""Old names resolve to this package after `install`, and only then."""

import importlib
import sys

import pytest
import tensorflow as tf

import tfx_tpu_estimator as ours
from tfx_tpu_estimator import compat
from tfx_tpu_estimator.compat import contrib_names, estimator_names
from tfx_tpu_estimator.compat.installation import Installation
from tfx_tpu_estimator.compat.lazy_module import resolve_target


@pytest.fixture
def installed():
    compat.install(contrib=True)
    yield
    compat.uninstall()


def run(statements):
    scope = {}
    exec(statements, scope)
    return scope


def snapshot():
    holders = (tf, tf.compat.v1, tf.compat.v2, tf.compat.v1.tpu.experimental)
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver
    names = [name for name in sys.modules if "estimator" in name and "tensorflow" in name]
    own = [n for n in names if n.startswith(("tensorflow.", "tensorflow_estimator"))]
    return [{*vars(h)} & {"estimator", "contrib", "AdamParameters"} for h in holders], resolver, own


def test_nothing_is_patched_by_importing():
    assert not compat.is_installed()
    assert not hasattr(tf, "estimator")
    with pytest.raises(ImportError):
        run("from tensorflow.compat.v1 import estimator")


def test_uninstall_restores_everything():
    before = snapshot()
    compat.install(contrib=True)
    assert compat.is_installed()
    run("import tensorflow_estimator.python.estimator.tpu.tpu_estimator")
    compat.uninstall()
    assert snapshot() == before
    assert not compat.is_installed()


def test_installing_twice_is_installing_once():
    before = snapshot()
    compat.install()
    compat.install()
    compat.uninstall()
    assert snapshot() == before


def test_contrib_only_when_asked():
    compat.install()
    try:
        assert not hasattr(tf, "contrib")
        compat.install(contrib=True)
        assert tf.contrib.tpu.TPUEstimator is ours.TPUEstimator
    finally:
        compat.uninstall()


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ("import tensorflow as tf; x = tf.compat.v1.estimator.tpu.TPUEstimator", "TPUEstimator"),
        (
            "from tensorflow_estimator.python.estimator.tpu import tpu_estimator as t; "
            "x = t.inference_on_tpu",
            "inference_on_tpu",
        ),
        (
            "from tensorflow.python.tpu.tpu_estimator import model_fn_inference_on_tpu as x",
            "model_fn_inference_on_tpu",
        ),
        ("from tensorflow.contrib.tpu.python.tpu.tpu_estimator import BatchConfig as x",
         "BatchConfig"),
        ("import tensorflow as tf; x = tf.compat.v1.estimator.tpu.BatchConfig", "BatchConfig"),
        ("import tensorflow as tf; x = tf.estimator.export.EvalOutput", "EvalOutput"),
        ("from tensorflow.compat.v1 import estimator; x = estimator.ModeKeys", "ModeKeys"),
        ("import tensorflow.compat.v1.estimator as e; x = e.tpu.TPUConfig", "TPUConfig"),
        ("from tensorflow.compat.v2 import estimator as e; x = e.EstimatorSpec", "EstimatorSpec"),
        ("import tensorflow as tf; x = tf.compat.v1.estimator.Estimator", "Estimator"),
        ("import tensorflow as tf; x = tf.estimator.Estimator", "EstimatorV2"),
        ("import tensorflow as tf; x = tf.estimator.RunConfig", "BaseRunConfig"),
        ("import tensorflow as tf; x = tf.estimator.export.PredictOutput", "PredictOutput"),
        ("from tensorflow_estimator import estimator as e; x = e.tpu.RunConfig", "RunConfig"),
        ("from tensorflow_estimator.python.estimator.tpu import tpu_estimator as m; "
         "x = m.TPUEstimatorSpec", "TPUEstimatorSpec"),
        ("from tensorflow.python.estimator import model_fn as m; x = m.EstimatorSpec",
         "EstimatorSpec"),
        ("from tensorflow.contrib.tpu.python.tpu import tpu_config as m; x = m.TPUConfig",
         "TPUConfig"),
        ("import tensorflow.contrib.tpu as m; x = m.InputPipelineConfig", "InputPipelineConfig"),
        ("from tensorflow_estimator.python.estimator.canned import dnn as m; "
         "x = m.dnn_logit_fn_builder", "dnn_logit_fn_builder"),
    ],
)  # fmt: skip
def test_names_resolve_to_ours(installed, statements, expected):
    assert run(statements)["x"] is getattr(ours, expected)


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("estimator.SessionRunHook", "train.SessionRunHook"),
        ("estimator.CheckpointSaverListener", "train.CheckpointSaverListener"),
        ("contrib.tpu.CrossShardOptimizer", "tpu.CrossShardOptimizer"),
        ("contrib.data.map_and_batch", "data.experimental.map_and_batch"),
        ("contrib.rnn.BasicLSTMCell", "nn.rnn_cell.BasicLSTMCell"),
        ("contrib.framework.nest.flatten", "nest.flatten"),
    ],
)
def test_what_tensorflow_still_has_is_its_own(installed, name, target):
    found = resolve_target(f"tensorflow.compat.v1:{name}")
    assert found is resolve_target(f"tensorflow.compat.v1:{target}")


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        ("import tensorflow as tf; tf.estimator.experimental.KMeans", "clustering library"),
        ("import tensorflow as tf; tf.contrib.learn.Estimator", "Use tf.estimator"),
        ("import tensorflow as tf; tf.estimator.no_such_name", "docs/migration.md"),
        ("import tensorflow as tf; tf.contrib.layers.instance_norm", "tf_slim"),
    ],
)
def test_missing_names_say_what_to_use(installed, statement, text):
    with pytest.raises(AttributeError, match=text):
        run(statement)


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        ("import tensorflow.contrib.seq2seq", "decoder"),
        ("from tensorflow.contrib.lookup import index_table_from_file", "StaticHashTable"),
        ("from tensorflow_estimator.python.estimator.canned import rnn", "tfx_tpu_estimator"),
    ],
)
def test_missing_modules_say_what_to_use(installed, statement, text):
    with pytest.raises(ModuleNotFoundError, match=text):
        run(statement)


def test_every_name_of_the_tables_resolves(installed):
    for table in (estimator_names.MODULES, contrib_names.MODULES):
        for path, targets in table.items():
            module = importlib.import_module(path)
            for name in targets:
                assert getattr(module, name) is not None, f"{path}.{name}"


def test_names_are_loaded_when_they_are_used(installed):
    module = importlib.import_module("tensorflow.compat.v1.estimator.tpu")
    assert "TPUConfig" in dir(module)
    before = set(vars(module))
    module.TPUConfig  # noqa: B018
    assert set(vars(module)) - before == {"TPUConfig"}


def test_star_import_gives_the_public_names(installed):
    assert run("from tensorflow.compat.v1.estimator.tpu import *")["TPUConfig"] is ours.TPUConfig


def test_a_module_imported_before_does_not_stand_in_the_way(monkeypatch):
    stale = type(sys)("tensorflow_estimator")
    monkeypatch.setitem(sys.modules, "tensorflow_estimator", stale)
    installation = Installation()
    installation.add_estimator()
    try:
        assert importlib.import_module("tensorflow_estimator") is not stale
    finally:
        installation.remove()
    assert sys.modules["tensorflow_estimator"] is stale


@pytest.mark.parametrize("name", [None, "", "local", "grpc://10.0.0.1:8470"])
def test_tpu_cluster_resolver_needs_no_tpu(installed, name):
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver(name, zone=None, project=None)
    config = tf.compat.v1.estimator.tpu.RunConfig(cluster=resolver)
    assert config.master == ""
    assert config.cluster_spec.as_dict() == {}


@pytest.mark.parametrize(
    "statement",
    [
        "from tensorflow.python.tpu import async_checkpoint",
        "from tensorflow.contrib.tpu.python.tpu import async_checkpoint",
    ],
)
def test_asynchronous_checkpoints(installed, statement):
    hook = run(statement)["async_checkpoint"].AsyncCheckpointSaverHook
    assert hook is tf.compat.v1.train.CheckpointSaverHook


def test_the_step_from_which_a_program_goes_on(installed, tmp_path):
    load = run("from tensorflow.python.estimator import estimator as x")["x"]
    load = load._load_global_step_from_checkpoint_dir
    assert load(str(tmp_path)) == 0
    assert load(str(tmp_path / "missing")) == 0
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        step = tf.compat.v1.train.create_global_step()
        session.run(step.assign(7, read_value=False))
        tf.compat.v1.train.Saver().save(session, str(tmp_path / "model.ckpt"), step)
    assert load(str(tmp_path)) == 7
