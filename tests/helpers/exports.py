"""An estimator that exports nothing but directories, for tests of when exporters export."""

import os
import pathlib

import numpy as np


class ExportingEstimator:
    """Has what exporters use of an estimator; a test of train_and_evaluate has the real one."""

    def __init__(self, model_dir):
        self.model_dir = str(model_dir)
        self.exported = []

    def export_saved_model(self, export_dir_base, receiver_fn, **arguments):
        self.exported.append(
            (os.path.basename(arguments["checkpoint_path"]), receiver_fn, arguments)
        )
        path = pathlib.Path(export_dir_base, str(1_700_000_000 + len(self.exported)))
        while path.exists():
            path = path.with_name(str(int(path.name) + 1))
        path.mkdir(parents=True)
        return os.fsencode(path)

    @property
    def steps(self):
        """The steps of the checkpoints that were exported."""
        return [int(name.split("-")[-1]) for name, _, _ in self.exported]

    def offer(self, exporter, step, *, final=False, **metrics):
        """Lets an exporter look at an evaluation; returns what it returns."""
        return exporter.export(
            estimator=self,
            export_path=os.path.join(self.model_dir, "export", exporter.name),
            checkpoint_path=os.path.join(self.model_dir, f"model.ckpt-{step}"),
            eval_result={**metrics, "global_step": np.int64(step)},
            is_the_final_export=final,
        )
