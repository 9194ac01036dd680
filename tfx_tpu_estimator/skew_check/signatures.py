"""The signatures of both graphs, side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.skew_check.feeds import InputSpec
from tfx_tpu_estimator.skew_check.saved_graphs import SERVE, SERVE_TPU

_HIDDEN = "__saved_model"


@dataclasses.dataclass(frozen=True, kw_only=True)
class SignaturePair:
    """One signature as both graphs have it.

    Attributes:
      name: Its key.
      inputs: What it takes, as {serve} says.
      serve_feeds: By input key, the name of the tensor of {serve}.
      tpu_feeds: The same of {serve, tpu}.
      outputs: Keys that both have.
      serve: By output key, the TensorInfo of {serve}.
      tpu: The same of {serve, tpu}.
      problems: In what the two differ, as sentences.
      notes: What they differ in without a fault: strings, which no TPU has.
    """

    name: str
    inputs: tuple[InputSpec, ...]
    serve_feeds: dict[str, str]
    tpu_feeds: dict[str, str]
    outputs: tuple[str, ...]
    serve: dict[str, Any]
    tpu: dict[str, Any]
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def feed_key(self) -> tuple:
        """Equal for signatures that are fed the same tensors of both graphs."""
        fed = zip(sorted(self.serve_feeds.values()), sorted(self.tpu_feeds.values()), strict=True)
        return tuple(fed)


def pair_signatures(
    metagraphs: dict[frozenset[str], Any],
    wanted: Sequence[str] | None,
    ignored: Sequence[str] = (),
) -> list[SignaturePair]:
    """Pairs the signatures of both graphs.

    Args:
      metagraphs: From `read_metagraphs`.
      wanted: Which of them; None for all.
      ignored: Outputs that are not looked at, as `output` or `signature/output`.

    Returns:
      By name. One that a graph lacks has no outputs and a problem.

    Raises:
      ValueError: Neither graph has a wanted signature or an ignored output, or there are no
        signatures at all.
    """
    serve = _list_signatures(metagraphs[SERVE])
    tpu = _list_signatures(metagraphs[SERVE_TPU])
    known = sorted({*serve, *tpu})
    if not known:
        raise ValueError("The SavedModel has no signatures, so there is nothing to compare.")
    missing = [name for name in wanted or () if name not in known]
    if missing or (wanted is not None and not list(wanted)):
        raise ValueError(
            f"`signatures` names {', '.join(map(repr, missing)) or 'nothing'}; the SavedModel has "
            f"{', '.join(map(repr, known))}."
        )
    names = known if wanted is None else sorted(set(wanted))
    _validate_ignored(ignored, [*serve.items(), *tpu.items()])
    for listed in (serve, tpu):
        listed.update({name: _without(name, listed[name], ignored) for name in listed})
    return [_pair(name, serve.get(name), tpu.get(name)) for name in names]


def _without(name: str, signature: Any, ignored: Sequence[str]) -> Any:
    """Returns a copy of a signature without the outputs to ignore."""
    kept = type(signature)()
    kept.CopyFrom(signature)
    for key in list(kept.outputs):
        if key in ignored or f"{name}/{key}" in ignored:
            del kept.outputs[key]
    return kept


def _validate_ignored(ignored: Sequence[str], signatures: Iterable[tuple[str, Any]]) -> None:
    known = {n for name, s in signatures for key in s.outputs for n in (key, f"{name}/{key}")}
    unknown = [name for name in ignored if name not in known]
    if unknown:
        raise ValueError(
            f"`ignore` names {', '.join(map(repr, unknown))}; the outputs of the SavedModel are "
            f"{', '.join(sorted(n for n in known if '/' not in n)) or 'none'}."
        )


def _list_signatures(metagraph: Any) -> dict[str, Any]:
    listed = metagraph.signature_def
    # Signatures of training and evaluation have no TPU form and no outputs a server gives.
    return {name: listed[name] for name in listed if not name.startswith(_HIDDEN)}


def _pair(name: str, serve: Any, tpu: Any) -> SignaturePair:
    if serve is None or tpu is None:
        there, lacking = ("serve, tpu", "serve") if serve is None else ("serve", "serve, tpu")
        problem = f"only {{{there}}} has it, {{{lacking}}} does not."
        return SignaturePair(name=name, inputs=(), serve_feeds={}, tpu_feeds={}, outputs=(),
                             serve={}, tpu={}, problems=(problem,))  # fmt: skip
    strings = _list_strings_of_serve(serve.outputs, tpu.outputs)
    problems = [*_compare_keys("output", set(serve.outputs) - set(strings), tpu.outputs)]
    different = _compare_keys("input", serve.inputs, tpu.inputs)
    different += [
        f"input {key!r} is {_describe(serve.inputs[key])} in {{serve}} and "
        f"{_describe(tpu.inputs[key])} in {{serve, tpu}}."
        for key in sorted(set(serve.inputs) & set(tpu.inputs))
        if serve.inputs[key].dtype != tpu.inputs[key].dtype
    ]
    sparse = [k for k, info in serve.inputs.items() if info.WhichOneof("encoding") != "name"]
    different += [
        f"input {key!r} is a SparseTensor or RaggedTensor, which this check cannot feed. Export it "
        "with a receiver that takes tf.Examples."
        for key in sparse
    ]
    can_run = not different
    return SignaturePair(
        name=name,
        inputs=tuple(
            InputSpec.read(k, serve.inputs[k]) for k in sorted(serve.inputs) if k not in sparse
        ),
        serve_feeds={key: info.name for key, info in serve.inputs.items()} if can_run else {},
        tpu_feeds={key: info.name for key, info in tpu.inputs.items()} if can_run else {},
        outputs=tuple(sorted(set(serve.outputs) & set(tpu.outputs))) if can_run else (),
        serve=dict(serve.outputs),
        tpu=dict(tpu.outputs),
        problems=(*problems, *different),
        notes=tuple(
            f"output {key!r}, strings, is only in {{serve}}: not compared." for key in strings
        ),
    )


def _list_strings_of_serve(serve: Any, tpu: Any) -> list[str]:
    """Returns the outputs that {serve, tpu} lacks because no TPU has strings."""
    return [
        k for k in sorted(serve) if k not in tpu and serve[k].dtype == tf.string.as_datatype_enum
    ]


def _compare_keys(what: str, serve: Iterable[str], tpu: Iterable[str]) -> list[str]:
    lacking = [(set(serve) - set(tpu), "{serve, tpu}"), (set(tpu) - set(serve), "{serve}")]
    return [
        f"{graph} lacks {what} {key!r}, which the other graph has."
        for keys, graph in lacking
        for key in sorted(keys)
    ]


def _describe(info: Any) -> str:
    return f"{tf.as_dtype(info.dtype).name} {tf.TensorShape(info.tensor_shape)}"
