"""Images and resources of the steps of a pipeline."""

import pytest

from tfx_tpu_estimator.pipelines.kubeflow import KubeflowConfig, StepResources, read_options


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cpu_limit": 0}, "`cpu_limit` must be a number > 0"),
        ({"memory_limit_gib": "8"}, "`memory_limit_gib` must be a number > 0"),
        ({"accelerator_type": "NVIDIA_L4"}, "go together"),
        ({"accelerator_type": "", "accelerator_count": 1}, "must be a name"),
        ({"accelerator_type": "NVIDIA_L4", "accelerator_count": 0}, "must be an int >= 1"),
    ],
)
def test_resources_are_checked(values, message):
    with pytest.raises(ValueError, match=message):
        StepResources(**values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"image": ""}, "`image` must be the name of a container image"),
        ({"image": "a b"}, "`image` must be the name of a container image"),
        ({"image": "a", "images": {"Trainer": None}}, r"`images\['Trainer'\]` must be the name"),
        ({"image": "a", "resources": {"Trainer": {"cpu": 1}}}, "must be StepResources"),
        ({"image": "a", "environment": {"MODE": 1}}, "must be {name of a variable: text}"),
        ({"image": "a", "environment": {"a b": "1"}}, "must be {name of a variable: text}"),
    ],
)
def test_the_configuration_is_checked(values, message):
    with pytest.raises(ValueError, match=message):
        KubeflowConfig(**values)


def test_a_component_that_is_not_there_is_named_with_the_nearest():
    config = KubeflowConfig(image="a/b:1", images={"Trainr": "a/c:1"})
    with pytest.raises(ValueError, match=r"`images` has 'Trainr'.* Did you mean 'Trainer'\?"):
        config.check_ids(["Trainer", "Pusher"])


def test_texts_of_a_command_line():
    config = read_options(
        ["a/b:1", "Trainer=a/c:1"], ["Trainer:cpu=8,memory=32,accelerator=NVIDIA_L4,count=2"]
    )
    assert config == KubeflowConfig(
        image="a/b:1",
        images={"Trainer": "a/c:1"},
        resources={
            "Trainer": StepResources(
                cpu_limit=8,
                memory_limit_gib=32,
                accelerator_type="NVIDIA_L4",
                accelerator_count=2,
            )
        },
    )


@pytest.mark.parametrize(
    ("images", "resources", "message"),
    [
        (["Trainer=a"], [], "must be given once without a component"),
        (["a", "b"], [], "must be given once without a component"),
        (["a"], ["cpu=8"], "must be COMPONENT:KEY=VALUE"),
        (["a"], ["Trainer:cpus=8"], "has 'cpus'; allowed are cpu, memory, accelerator, count"),
        (["a"], ["Trainer:cpu=many"], "'many' is no number"),
    ],
)
def test_texts_that_mean_nothing(images, resources, message):
    with pytest.raises(ValueError, match=message):
        read_options(images, resources)
