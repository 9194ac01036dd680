"""Compile reports with figures of the size that real models have, made without a compiler."""

import dataclasses

from tfx_tpu_estimator.compile_check.report import (
    Buffer,
    Chip,
    Collective,
    CompileReport,
    ProgramReport,
    Topology,
)

MIB = 1 << 20
GIB = 1 << 30

V5E = Chip(
    name="v5e", hbm_bytes=16 * GIB, peak_flops=197e12, hbm_bytes_per_second=819e9,
    cores_per_chip=1, source="published figures of the chip, divided by its cores",
)  # fmt: skip
V4 = Chip(
    name="v4", hbm_bytes=32 * GIB, peak_flops=275e12, hbm_bytes_per_second=1228e9,
    cores_per_chip=1, source="published figures of the chip, divided by its cores",
)  # fmt: skip
V5E_4 = Topology(name="v5e:2x2", chip=V5E, cores=4)
V4_4 = Topology(name="v4:2x2x1", chip=V4, cores=4)

WORD_TABLE = Buffer(
    bytes=90 * MIB, shape=(30522, 768), dtype="f32", op="parameter.1",
    name="bert/embeddings/word_embeddings",
)  # fmt: skip
ATTENTION = Buffer(
    bytes=1536 * MIB, shape=(256, 12, 512, 512), dtype="f32", op="fusion.512",
    name="bert/encoder/layer_0/attention/self/MatMul",
)  # fmt: skip
REFUSAL = (
    "op 'StringSplit' cannot run on a TPU: strings exist on the host only.\n"
    "Defined at model.py:41, in model_fn: `words = tf.strings.split(features['text'])`\n"
    "Do it in the input_fn, or wrap it in tpu.outside_compilation."
)


def make_program(program="train", topology=V5E_4, **changes):
    """A program that fits; its roofline figures follow from FLOPs, bytes and the chip."""
    values = {
        "status": "fits",
        "per_core_batch": 8,
        "argument_bytes": 1260 * MIB,
        "output_bytes": 1260 * MIB,
        "alias_bytes": 1260 * MIB,
        "temp_bytes": 633 * MIB,
        "code_bytes": 21 * MIB,
        "peak_bytes": 1914 * MIB,
        "hbm_bytes": topology.chip.hbm_bytes - 256 * MIB,
        "flops": 7.1e11,
        "bytes_accessed": 2.4e10,
        "collectives": (
            Collective(kind="all-reduce", count=3, bytes=418 * MIB),
            Collective(kind="all-gather", count=1, bytes=3 * MIB),
        ),
        "largest": (WORD_TABLE, dataclasses.replace(WORD_TABLE, op="fusion.77", name="")),
        "compile_seconds": 101.6,
        "compiler_peak_rss_bytes": 3300 * MIB,
        "program_hash": "3f5a9c0b" * 8,
        "compiler": "libtpu 0.0.21",
        **changes,
    }
    if values["flops"] and values["bytes_accessed"]:
        chip = topology.chip
        times = {
            "compute": values["flops"] / chip.peak_flops,
            "memory": values["bytes_accessed"] / chip.hbm_bytes_per_second,
        }
        values.setdefault("bound", max(times, key=times.__getitem__))
        values.setdefault("roofline_seconds", max(times.values()))
        values.setdefault("arithmetic_intensity", values["flops"] / values["bytes_accessed"])
    return ProgramReport(program=program, topology=topology, **values)


def make_unfit(program, status, message, topology=V5E_4, **changes):
    """A program of which the compiler gave no figures, except those in `changes`."""
    return ProgramReport(
        program=program, topology=topology, status=status, message=message, **changes
    )


def make_report(*programs, **changes):
    """A report; without `programs` of a model whose every program fits."""
    values = {
        "model": "bert_base",
        "programs": programs or make_fitting_programs(),
        "versions": {
            "tfx_tpu_estimator": "0.1.0", "tensorflow": "2.16.2", "jax": "0.4.34",
            "libtpu": "0.0.21",
        },
        "created": "2026-11-21T12:00:00+00:00",
        **changes,
    }  # fmt: skip
    return CompileReport(**values)


def make_fitting_programs(topology=V5E_4):
    """Train, eval, predict and serving."""
    forward = {
        "argument_bytes": 420 * MIB, "output_bytes": 1 * MIB, "alias_bytes": 0,
        "temp_bytes": 96 * MIB, "code_bytes": 8 * MIB, "peak_bytes": 525 * MIB,
        "collectives": (), "compile_seconds": 31.2,
    }  # fmt: skip
    return (
        make_program("train", topology, largest_batch=112),
        make_program("eval", topology, **forward, flops=2.4e11, bytes_accessed=3.2e9),
        make_program("predict", topology, **forward, flops=2.4e11, bytes_accessed=3.1e9,
                     cached=True),
        make_program("serving", topology, **forward, flops=3e10, bytes_accessed=8.9e8,
                     per_core_batch=1),
    )  # fmt: skip


def make_mixed_report():
    """Two topologies; on one of them everything that can go wrong has."""
    too_large = make_program(
        "train",
        status="too_large",
        message="needs 20.31 GiB of the 15.75 GiB that a core of v5e has. Largest per-core batch "
        "that fits: 176; else use bfloat16, or more cores per replica.",
        per_core_batch=256,
        temp_bytes=19516 * MIB,
        peak_bytes=20797 * MIB,
        largest_batch=176,
        largest=(ATTENTION, ATTENTION, WORD_TABLE),
    )
    return make_report(
        too_large,
        make_unfit("eval", "timed_out", "the compiler had not finished after 1800 s; give "
                   "`timeout` more, or a smaller batch.", per_core_batch=256),
        make_unfit("predict", "refused", REFUSAL),
        make_unfit("serving", "crashed", "the compiler ended by signal 11 (SIGSEGV).",
                   per_core_batch=1, compile_seconds=12.0, compiler="libtpu 0.0.21"),
        *make_fitting_programs(V4_4),
        notes=("predict uses predict_batch_size 64, as eval does.",),
    )  # fmt: skip
