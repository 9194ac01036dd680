"""Runs the Trainer's executor with arguments from a file; prints the model's step."""

import pickle
import sys

if __name__ == "__main__":
    with open(sys.argv[1], "rb") as file:
        inputs, outputs, exec_properties = pickle.load(file)
    from tfx_tpu_estimator.components.trainer.executor import Executor

    Executor().Do(inputs, outputs, exec_properties)
    model = outputs["model"][0]
    has_step = model.has_custom_property("global_step")
    print(model.get_int_custom_property("global_step") if has_step else "no model", flush=True)
