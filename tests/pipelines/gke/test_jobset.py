"""JobSet manifests: strictly what Kubernetes and JobSet know, and what the runtime reads."""

import copy

import jsonschema
import kubernetes_validate
import pytest
import yaml
from click.testing import CliRunner

from tfx_tpu_estimator.cli import main
from tfx_tpu_estimator.config.processes import DEFAULT_PORT, POD_HOSTS_VARIABLE, POD_ID_VARIABLE
from tfx_tpu_estimator.pipelines.gke import JobSetConfig, create_jobset, jobset, write_jobset
from tfx_tpu_estimator.pipelines.tpu_shapes import GKE_SHAPES

# Fields, types and enumerations of jobset.x-k8s.io/v1alpha2, as the CustomResourceDefinition and
# the OpenAPI description in kubernetes-sigs/jobset have them; a Job inside is checked by itself.
TEXT, NUMBER, TRUTH = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
TEXTS = {"type": "array", "items": TEXT}


def make_object(required=(), **properties):
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def make_choice(*values):
    return {"enum": list(values)}


RULE = make_object(
    ["action", "name"],
    name={**TEXT, "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"},
    action=make_choice("FailJobSet", "RestartJobSet", "RestartJobSetAndIgnoreMaxRestarts"),
    onJobFailureReasons=TEXTS,
    targetReplicatedJobs=TEXTS,
)
REPLICATED_JOB = make_object(
    ["name", "template"],
    name=TEXT,
    groupName=TEXT,
    replicas=NUMBER,
    template=make_object(metadata={"type": "object"}, spec={"type": "object"}),
    dependsOn={
        "type": "array",
        "maxItems": 1,
        "items": make_object(
            ["name", "status"], name=TEXT, status=make_choice("Ready", "Complete")
        ),
    },
)
JOBSET = make_object(
    ["apiVersion", "kind", "metadata", "spec"],
    apiVersion={"const": "jobset.x-k8s.io/v1alpha2"},
    kind={"const": "JobSet"},
    metadata={"type": "object"},
    spec=make_object(
        coordinator=make_object(
            ["replicatedJob"], replicatedJob=TEXT, jobIndex=NUMBER, podIndex=NUMBER
        ),
        failurePolicy=make_object(
            maxRestarts=NUMBER,
            restartStrategy=make_choice("Recreate", "BlockingRecreate"),
            rules={"type": "array", "items": RULE},
        ),
        managedBy=TEXT,
        network=make_object(
            enableDNSHostnames=TRUTH, publishNotReadyAddresses=TRUTH, subdomain=TEXT
        ),
        replicatedJobs={"type": "array", "items": REPLICATED_JOB},
        startupPolicy=make_object(
            ["startupPolicyOrder"], startupPolicyOrder=make_choice("AnyOrder", "InOrder")
        ),
        successPolicy=make_object(
            ["operator"], operator=make_choice("All", "Any"), targetReplicatedJobs=TEXTS
        ),
        suspend=TRUTH,
        ttlSecondsAfterFinished={**NUMBER, "minimum": 0},
    ),
)


def make_config(**changes):
    values = {
        "name": "resnet",
        "image": "registry/resnet:1",
        "topology": "v5e:4x4",
        "command": ("tfx-tpu-estimator", "run", "/app/resnet.py"),
    }
    return JobSetConfig(**{**values, **changes})


def check_manifest(manifest):
    """Raises if the manifest has what JobSet or Kubernetes does not know, or of another type."""
    jsonschema.validate(manifest, JOBSET)
    for replicated in manifest["spec"]["replicatedJobs"]:
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


@pytest.mark.parametrize(
    ("place", "name", "value", "message"),
    [
        ("spec", "maxRestarts", 3, "'maxRestarts' was unexpected"),
        ("failurePolicy", "restartStrategy", "Restart", "'Restart' is not one of"),
        ("failurePolicy", "maxRestarts", "3", "'3' is not of type 'integer'"),
        ("network", "enableDnsHostnames", True, "'enableDnsHostnames' was unexpected"),
    ],
)
def test_a_field_that_jobset_does_not_know_would_be_found(place, name, value, message):
    manifest = copy.deepcopy(create_jobset(make_config()))
    spec = manifest["spec"]
    (spec if place == "spec" else spec[place])[name] = value
    with pytest.raises(jsonschema.ValidationError, match=message):
        check_manifest(manifest)


def test_nodes_are_selected_by_the_names_that_gke_gives_them():
    selected = {}
    for shape in GKE_SHAPES:
        manifest = create_jobset(make_config(topology=shape.name, machine_type=shape.machine_type))
        job = manifest["spec"]["replicatedJobs"][0]["template"]["spec"]
        selector = job["template"]["spec"]["nodeSelector"]
        assert selector["cloud.google.com/gke-tpu-topology"] == shape.topology
        selected[shape.generation] = selector["cloud.google.com/gke-tpu-accelerator"]
    assert selected == {
        "v4": "tpu-v4-podslice",
        "v5e": "tpu-v5-lite-podslice",
        "v5p": "tpu-v5p-slice",
        "v6e": "tpu-v6e-slice",
    }


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


def test_a_file_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    where = tmp_path / "file" / "j.yaml"
    arguments = ["--topology", "v5e:4x4", "--image", "i:1", "--output-file", str(where), "a.py"]
    result = CliRunner().invoke(main, ["jobset", *arguments])
    assert result.exit_code == 1
    assert "j.yaml cannot be written" in result.stderr


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
