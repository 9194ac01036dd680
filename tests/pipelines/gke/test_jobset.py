"""JobSet manifests: strictly what Kubernetes and JobSet know, and what the runtime reads."""

import copy

import kubernetes_validate
import pytest
import yaml
from click.testing import CliRunner

from tfx_tpu_estimator.cli import main
from tfx_tpu_estimator.config.processes import DEFAULT_PORT, POD_HOSTS_VARIABLE, POD_ID_VARIABLE
from tfx_tpu_estimator.pipelines.gke import JobSetConfig, create_jobset, jobset, write_jobset
from tfx_tpu_estimator.pipelines.tpu_shapes import GKE_SHAPES

# Fields of jobset.x-k8s.io/v1alpha2, from memory and from excerpts of its API reference.
FIELDS = {
    "": {"apiVersion", "kind", "metadata", "spec"},
    "spec": {
        "coordinator", "failurePolicy", "managedBy", "network", "replicatedJobs", "startupPolicy",
        "successPolicy", "suspend", "ttlSecondsAfterFinished",
    },
    "failurePolicy": {"maxRestarts", "restartStrategy", "rules"},
    "network": {"enableDNSHostnames", "publishNotReadyAddresses", "subdomain"},
    "replicatedJob": {"dependsOn", "groupName", "name", "replicas", "template"},
}  # fmt: skip


def make_config(**changes):
    values = {
        "name": "resnet",
        "image": "registry/resnet:1",
        "topology": "v5e:4x4",
        "command": ("tfx-tpu-estimator", "run", "/app/resnet.py"),
    }
    return JobSetConfig(**{**values, **changes})


def check_manifest(manifest):
    """Raises if the manifest has a field that JobSet or Kubernetes does not know."""
    assert set(manifest) <= FIELDS[""]
    spec = manifest["spec"]
    assert set(spec) <= FIELDS["spec"]
    assert set(spec["failurePolicy"]) <= FIELDS["failurePolicy"]
    assert set(spec["network"]) <= FIELDS["network"]
    for replicated in spec["replicatedJobs"]:
        assert set(replicated) <= FIELDS["replicatedJob"]
        assert set(replicated["template"]) <= {"metadata", "spec"}
        job = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": manifest["metadata"],
            "spec": replicated["template"]["spec"],
        }
        kubernetes_validate.validate(job, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("shape", GKE_SHAPES, ids=lambda s: f"{s.name}-{s.machine_type}")
def test_every_slice(shape):
    config = make_config(
        topology=shape.name,
        machine_type=shape.machine_type,
        service_account="trainer",
        namespace="ml",
        environment={"MODE": "test"},
    )
    manifest = create_jobset(config)
    check_manifest(manifest)
    (replicated,) = manifest["spec"]["replicatedJobs"]
    job = replicated["template"]["spec"]
    assert replicated["replicas"] == 1
    assert job["parallelism"] == job["completions"] == shape.hosts
    assert job["backoffLimit"] == 0
    pod = job["template"]["spec"]
    assert pod["serviceAccountName"] == "trainer"
    assert pod["nodeSelector"]["cloud.google.com/gke-tpu-topology"] == shape.topology
    (container,) = pod["containers"]
    limit = container["resources"]["limits"]["google.com/tpu"]
    assert limit * shape.hosts == shape.chips
    assert limit == int(shape.machine_type[-2])


def test_a_field_that_kubernetes_does_not_know_would_be_found():
    manifest = copy.deepcopy(create_jobset(make_config()))
    job = manifest["spec"]["replicatedJobs"][0]["template"]["spec"]
    job["template"]["spec"]["serviceAcount"] = "a"
    with pytest.raises(kubernetes_validate.ValidationError, match="serviceAcount"):
        check_manifest(manifest)


def test_what_the_runtime_reads_is_left_to_gke():
    assert jobset._SET_BY_GKE == (POD_ID_VARIABLE, POD_HOSTS_VARIABLE)
    assert jobset._PORT == DEFAULT_PORT


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"topology": "v5e:4x6"}, ValueError, "`topology` must be one of .* Did you mean 'v5e:4x"),
        ({"topology": "v3:2x2"}, ValueError, "`topology` must be one of v4:2x2x1"),
        ({"machine_type": "ct5lp-hightpu-8t"}, ValueError, "must be one of ct5lp-hightpu-4t; got"),
        ({"slices": 2}, ValueError, "`slices` must be 1, got 2.*one slice only"),
        ({"name": "Resnet"}, ValueError, "`name` must be 1 to 47 lower-case"),
        ({"name": "a" * 48}, ValueError, "`name` must be 1 to 47 lower-case"),
        ({"image": "a b"}, ValueError, "`image` must be the name of a container image"),
        ({"command": ()}, ValueError, "`command` must be a program"),
        ({"service_account": "A"}, ValueError, "`service_account` must be a name of Kubernetes"),
        ({"restarts": -1}, ValueError, "`restarts` must be >= 0"),
        ({"environment": {"TPU_WORKER_ID": "0"}}, ValueError, "TPU_WORKER_ID, which GKE sets"),
        ({"environment": {"MODE": 1}}, ValueError, "`environment` must be"),
        ({"toplogy": "v5e:4x4"}, TypeError, "Did you mean `topology`"),
    ],
)
def test_wrong_settings_are_named(changes, error, message):
    with pytest.raises(error, match=message):
        make_config(**changes)


def test_a_file_of_another_kind(tmp_path):
    with pytest.raises(ValueError, match=r"must end in \.yaml or \.yml"):
        write_jobset(make_config(), str(tmp_path / "a.json"))


def test_the_command_writes_what_was_asked_for(tmp_path):
    path = tmp_path / "resnet.yaml"
    options = ["--topology", "v6e:2x4", "--machine-type", "ct6e-standard-4t", "--image", "a:1"]
    program = ["-m", "official.resnet_main", "--model_dir=gs://b/r", "--use_tpu"]
    result = CliRunner().invoke(
        main,
        ["jobset", *options, "--env", "A=b=c", "--output-file", str(path), *program],
    )
    assert result.exit_code == 0, result.output
    assert "2 of ct6e-standard-4t, 8 chips" in result.output
    manifest = yaml.safe_load(path.read_text())
    check_manifest(manifest)
    assert manifest["metadata"]["name"] == "resnet-main"
    pod = manifest["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["command"] == ["tfx-tpu-estimator", "run", *program]
    assert {"name": "A", "value": "b=c"} in container["env"]
    assert [p.name for p in tmp_path.iterdir()] == ["resnet.yaml"]


def test_the_command_prints_without_a_file():
    arguments = ["jobset", "--topology", "v4:2x2x2", "--image", "a:1", "/app/train.py"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    check_manifest(yaml.safe_load(result.output))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--topology", "v5e:4x4", "p.py"], "Missing option '--image'"),
        (["--topology", "v5e:4x4", "--image", "a", "--env", "A", "p.py"], "must be NAME=VALUE"),
        (["--topology", "v5e:4x4", "--image", "a", "--slices", "2", "p.py"], "one slice only"),
        (["--topology", "v5e:9x9", "--image", "a", "p.py"], "`topology` must be one of"),
    ],
)
def test_wrong_options(arguments, message):
    result = CliRunner().invoke(main, ["jobset", *arguments])
    assert result.exit_code == 2
    assert message in result.output
