"""`tfx-tpu-estimator predict`."""

from __future__ import annotations

import importlib
import itertools
import json
from typing import Any

import click

from tfx_tpu_estimator.cli.common_options import count_option
from tfx_tpu_estimator.cli.program_options import device_options, load_program, shared_options
from tfx_tpu_estimator.cli.program_session import Session


@click.command()
@shared_options
@click.option(
    "--files",
    required=True,
    multiple=True,
    metavar="PATTERN",
    help="TFRecord files of the examples; quote it. May be given several times.",
)
@count_option("--batch-size", "Global batch size. Default: that of estimator_params(), else 128.")
@device_options
@click.option("--checkpoint", help="Prefix of a checkpoint. Default: the latest of --model-dir.")
@click.option(
    "--key", "keys", multiple=True, help="Only this of the predictions; may be given several times."
)
@count_option("--limit", "Only the first N examples.")
def predict(quiet: bool, traceback: bool, **values: Any) -> None:
    """Predict examples with a module's trained model: a JSON line for each, in order.

    MODULE is as for `train`. Its predict_input_fn reads params['predict_files']; without one,
    features are read by --schema, for which examples need no label; without either, eval_input_fn
    reads the files, as params['eval_files'], and its labels are dropped.

    \b
    Examples:
      tfx-tpu-estimator predict model.py --model-dir runs/m --files 'data/new-*' > new.jsonl
      tfx-tpu-estimator predict model.py --model-dir runs/m --files 'data/new-*' --limit 5 | jq .

    In a line, arrays are nested lists and bytes are text if they are UTF-8, else {"b64": ...}.
    Floats have the digits that bring the same number back; "NaN", "Infinity" and "-Infinity" are
    strings.

    Exit code: 0 if all examples were predicted; 1 if something failed; 2 for wrong usage or a
    module that cannot be used; 130 after an interruption.
    """
    with Session(values["module"], quiet=quiet, show_traceback=traceback) as session:
        session.say("Loading TensorFlow and the module")
        plain = importlib.import_module("tfx_tpu_estimator.module_program.plain_values").to_plain
        size = {"predict_batch_size": values["batch_size"]}
        program = load_program(values, size, predict_files=values["files"])
        input_fn = program.resolve_predict_input()
        estimator = program.create_estimator(values["model_dir"])
        session.begin(on_devices=program.options.use_tpu)
        examples = estimator.predict(
            input_fn,
            predict_keys=list(values["keys"]) or None,
            checkpoint_path=values["checkpoint"],
        )
        count = 0
        with program.explain_data_errors("predict_files"):
            for example in itertools.islice(examples, values["limit"]):
                click.echo(json.dumps(plain(example), ensure_ascii=False), file=session.out)
                count += 1
        session.say(f"{count} examples")
