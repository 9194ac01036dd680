"""Records the losses that programs of tests/programs have under the old estimator.

Needs the environment of the old estimator (see README.md): `old/bin/python make_programs.py`.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import tensorflow as tf

GOLDEN = pathlib.Path(__file__).parent
PROGRAMS = GOLDEN.parent / "programs"
COMMANDS = {
    "bert": (["bert/run_classifier.py", "--dropout=0", "--output_dir={out}"], "model"),
    "resnet": (["resnet/main.py", "--precision=float32", "--model_dir={out}"], "."),
}


def read_losses(directory):
    losses = {}
    for path in directory.glob("events.*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                # The old estimator adds a number where the model has an op of that name.
                if value.tag in ("loss", "loss_1"):
                    losses[event.step] = value.simple_value
    return losses


def record(arguments, model_dir):
    with tempfile.TemporaryDirectory() as folder:
        command = [a.format(out=folder) for a in arguments]
        command[0] = str(PROGRAMS / command[0])
        subprocess.run([sys.executable, *command, "--use_tpu=false"], check=True)
        return read_losses(pathlib.Path(folder) / model_dir)


if __name__ == "__main__":
    found = {kind: record(*command) for kind, command in COMMANDS.items()}
    text = json.dumps({"tensorflow": tf.__version__, **found}, indent=1)
    (GOLDEN / "programs.json").write_text(text + "\n")
