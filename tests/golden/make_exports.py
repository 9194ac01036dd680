"""Describes the exports that the programs of tests/programs/exporting make with the old estimator.

  python make_exports.py FOLDER

runs all of them with their output below FOLDER, on the host, and writes exports.json. Run it where
tensorflow 2.15.1 and tensorflow-estimator 2.15.0 are installed, with keras 2.15.0.
"""

import json
import pathlib
import runpy
import sys
import types

import tensorflow as tf

HERE = pathlib.Path(__file__).resolve().parent
PROGRAMS = HERE.parent / "programs" / "exporting"
sys.path[:0] = [str(PROGRAMS), str(HERE.parent)]


def _give_predictor():
    """What TensorFlow 1 had as tf.contrib.predictor.from_saved_model."""

    def from_saved_model(directory):
        loaded = tf.saved_model.load(directory.decode(), tags=["serve"])
        served = loaded.signatures["serving_default"]

        def predict(inputs):
            answers = served(**{name: tf.constant(value) for name, value in inputs.items()})
            return {name: value.numpy() for name, value in answers.items()}

        return predict

    contrib, predictor = (types.ModuleType(f"tensorflow.{n}") for n in ("contrib", "contrib.p"))
    contrib.predictor, predictor.from_saved_model = predictor, from_saved_model
    sys.modules["tensorflow.contrib"] = contrib
    sys.modules["tensorflow.contrib.predictor"] = predictor


def main() -> None:
    """Runs the programs, each as if it were called from the command line."""
    from absl import flags
    from helpers.export_descriptions import describe_export

    _give_predictor()
    described = {}
    for program in sorted(PROGRAMS.glob("*.py")):
        if program.stem == "common":
            continue
        output = pathlib.Path(sys.argv[1], program.stem)
        output.mkdir(parents=True, exist_ok=True)
        found = runpy.run_path(str(program))
        flags.FLAGS([program.name, "--use_tpu=False", f"--output_dir={output}"])
        tf.compat.v1.reset_default_graph()
        found["main"](None)
        path = (output / "export.txt").read_text().splitlines()[0]
        described[program.stem] = describe_export(path)
    text = json.dumps(described, indent=1, sort_keys=True)
    (HERE / "exports.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
