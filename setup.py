"""Packaging of tfx_tpu_estimator; tool settings are in pyproject.toml."""

import pathlib

from setuptools import find_packages, setup

ROOT = pathlib.Path(__file__).parent
ABOUT: dict = {}
exec((ROOT / "tfx_tpu_estimator" / "version.py").read_text(), ABOUT)

# These folders stand at the top of the repository and are installed below the one name that this
# distribution claims.
MAPPED = {
    folder: f"tfx_tpu_estimator.{folder}" for folder in ("components", "examples", "pipelines")
}


def list_packages():
    packages = find_packages(include=["tfx_tpu_estimator", "tfx_tpu_estimator.*"])
    for folder, name in MAPPED.items():
        packages.append(name)
        packages += [f"{name}.{p}" for p in find_packages(folder)]
    return packages


setup(
    name="tfx-tpu-estimator",
    version=ABOUT["__version__"],
    description="TFX components that run TPUEstimator model_fns on current TensorFlow",
    long_description=(ROOT / "README.md").read_text() if (ROOT / "README.md").exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=list_packages(),
    package_dir={name: folder for folder, name in MAPPED.items()},
    package_data={
        "tfx_tpu_estimator": ["py.typed"],
        "tfx_tpu_estimator.compile_check": ["report.css"],
        "tfx_tpu_estimator.html_page": ["style.css"],
    },
    install_requires=[
        "absl-py",
        "click>=8,<9",
        "jax>=0.4.30",
        "numpy",
        "packaging",
        "rich>=13",
        "tensorboard>=2.16",
        "tensorflow>=2.16",
        "tensorflow-metadata>=1.16",
        "tf-keras>=2.16",
    ],
    extras_require={
        "tfx": [
            "apache-beam>=2.50,<2.62",
            "cloudpickle>=2.2",
            "ml-metadata>=1.16,<2",
            "tensorflow-model-analysis>=0.47,<0.48",
            "tfx>=1.16,<1.17",
            "setuptools<81",
        ],
        "kubeflow": ["kfp>=2.5,<3"],
        "gke": ["pyyaml>=6"],
        # The newest that installs beside the kfp that tfx 1.16 needs.
        "airflow": ["apache-airflow>=2.10,<2.11"],
        "demo": ["scikit-learn>=1.3"],
        # The TPU compiler, for the compile check; also what runs on TPUs.
        "tpu": ["libtpu>=0.0.2"],
    },
    entry_points={"console_scripts": ["tfx-tpu-estimator=tfx_tpu_estimator.cli:main"]},
)
