"""`python -m tfx_tpu_estimator.cli` is the command line, too."""

from tfx_tpu_estimator.cli import main

main(prog_name="tfx-tpu-estimator")
