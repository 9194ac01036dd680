"""KubeflowConfig and VertexTPUJob from the texts of a command line."""

import pytest

from tfx_tpu_estimator.pipelines.kubeflow import KubeflowConfig, VertexTPUJob, read_settings

CONFIG = KubeflowConfig(image="a/all:1")
PLACE = ["vertex.project=my-project", "vertex.region=us-west1"]


def test_texts_become_fields():
    config, job = read_settings(
        ["display_name=All trips = all", "environment.MODE=test", "environment.A=b=c"], CONFIG
    )
    assert config.display_name == "All trips = all"
    assert config.environment == {"MODE": "test", "A": "b=c"}
    assert config.image == "a/all:1"
    assert job is None
    assert read_settings([], CONFIG) == (CONFIG, None)


def test_a_job_on_vertex():
    given = ["vertex.tpu=v5e:2x4", "vertex.labels.team=ml", "vertex.environment.MODE=test"]
    config, job = read_settings([*PLACE, *given], CONFIG)
    assert config == CONFIG
    assert job == VertexTPUJob(
        project="my-project", region="us-west1", image="a/all:1", tpu="v5e:2x4",
        labels={"team": "ml"}, environment={"MODE": "test"},
    )  # fmt: skip


def test_the_image_of_the_job_is_the_trainers():
    config = KubeflowConfig(image="a/all:1", images={"Trainer": "a/tpu:1"})
    assert read_settings([*PLACE, "vertex.tpu=v6e:1x1"], config)[1].image == "a/tpu:1"
    given = [*PLACE, "vertex.tpu=v6e:1x1", "vertex.image=a/own:1"]
    assert read_settings(given, config)[1].image == "a/own:1"


@pytest.mark.parametrize(
    ("texts", "error", "message"),
    [
        (["display_name"], ValueError, "must be KEY=VALUE, got 'display_name'"),
        (["display=x"], ValueError, "`display` is not a KubeflowConfig field"),
        (["vertex.tpus=v5e:2x4"], ValueError, "`tpus` is not a VertexTPUJob field.*`tpu`"),
        (["vertex=v5e:2x4"], ValueError, "`vertex` is not a KubeflowConfig field.*`vertex.FIELD`"),
        (["environment=x"], ValueError, r"must be environment\.NAME=TEXT"),
        (["vertex.tpu.a=x"], ValueError, "must be tpu=TEXT"),
        (["environment.A=1", "environment.A=2"], ValueError, r"gives `environment\.A` twice"),
        (["vertex.tpu=v5e:2x4"], TypeError, r"needs vertex\.project, vertex\.region too"),
        ([*PLACE, "vertex.tpu=v4:2x2x2"], ValueError, "no v4 for custom training"),
    ],
)
def test_wrong_texts_are_refused(texts, error, message):
    with pytest.raises(error, match=message):
        read_settings(texts, CONFIG)
