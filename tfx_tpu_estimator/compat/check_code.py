"""What in a program's code works otherwise on devices, as far as it shows without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from tfx_tpu_estimator.compat.called_definitions import (
    CalledDefinitions,
    Definition,
    list_calls,
    list_parts,
)
from tfx_tpu_estimator.compat.findings import Finding, Level
from tfx_tpu_estimator.compat.program import SourceFile

_STRATEGIES = ("train_distribute", "eval_distribute", "experimental_distribute")
_ON_HOST = "Runs on the host, if it depends on the input only; else "
_PYTHON = f"{_ON_HOST}pass its tensors out through host_call."
# Last parts of calls that no TPU program can have -> advice.
_DEVICE_CALLS = {
    "py_func": _PYTHON,
    "numpy_function": _PYTHON,
    "py_function": _PYTHON,
    "Print": "On devices it is left out with a warning: use host_call.",
    "print": "On devices it is left out with a warning: use host_call.",
    "boolean_mask": f"{_ON_HOST}multiply with the mask: its result has no static shape.",
    "unique": f"{_ON_HOST}leave it out: its result has no static shape.",
    "crop_and_resize": f"{_ON_HOST}leave it out: no TPU has it.",
    "decode_jpeg": f"{_ON_HOST}leave it out: no TPU has it.",
    "sparse_tensor_dense_matmul": "No TPU has it: look embeddings up, or make it dense.",
}
_SUMMARIES = ("scalar", "histogram", "image", "audio", "text", "tensor_summary")
_HOST_PARTS = ("strings", "lookup")


def check_code(
    file: SourceFile, called: CalledDefinitions, uses_tpu_estimator: bool
) -> list[Finding]:
    """Returns findings about a file's code and what its model_fns call, some perhaps twice.

    Args:
        file: The file.
        called: Of the program.
        uses_tpu_estimator: Whether the program makes a TPUEstimator; otherwise nothing runs on
            devices.
    """
    found = [*_check_keywords(file.tree), *_check_functions(file.tree)]
    in_model_fns: list[Finding] = []
    if uses_tpu_estimator:
        found += _check_calls(file.tree)
        for function in _list_functions(file.tree):
            if _is_model_fn(function):
                model_fn = Definition(file.path, function)
                in_model_fns += _check_model_fn([model_fn, *called.list_called(model_fn)])
            elif _is_input_fn(function):
                found += _check_input_fn(function)
    return [*(Finding(str(file.path), *each) for each in found), *in_model_fns]


_Found = tuple[int, Level, str, str]


def _check_keywords(tree: ast.Module) -> Iterator[_Found]:
    for call in list_calls(tree):
        for keyword in call.keywords:
            is_none = isinstance(keyword.value, ast.Constant) and keyword.value.value is None
            if keyword.arg in _STRATEGIES and not is_none:
                yield (
                    keyword.value.lineno,
                    Level.UNSUPPORTED,
                    f"{keyword.arg}=",
                    "Strategies are refused: TPUEstimator with use_tpu=True distributes over all "
                    "devices.",
                )


def _check_functions(tree: ast.Module) -> Iterator[_Found]:
    for function in _list_functions(tree):
        if function.name == "trainer_fn":
            yield (
                function.lineno,
                Level.SUPPLIED,
                "trainer_fn",
                "The Trainer component runs such a module file as it is.",
            )
        elif "eval_input_receiver_fn" in function.name:
            yield (
                function.lineno,
                Level.ATTENTION,
                function.name,
                "No EvalSavedModel is exported: give the Evaluator an eval_config.",
            )


def _check_calls(tree: ast.Module) -> Iterator[_Found]:
    for call in list_calls(tree):
        name = _last_name(call)
        given = {keyword.arg for keyword in call.keywords}
        if "training_chief_hooks" in given:
            yield (
                call.lineno,
                Level.UNSUPPORTED,
                "training_chief_hooks=",
                "Refused by TPUEstimator: use training_hooks.",
            )
        if not isinstance(call.func, ast.Attribute) or None in given or not _takes_input_fn(call):
            continue  # **kwargs, or a method of something else
        if name == "train" and not given & {"steps", "max_steps"} and len(call.args) < 3:
            yield (call.lineno, Level.ATTENTION, "train() without steps",
                   "With use_tpu=True give `steps` or `max_steps`.")  # fmt: skip
        if name == "evaluate" and "steps" not in given and len(call.args) < 2:
            yield (call.lineno, Level.ATTENTION, "evaluate() without steps",
                   "With use_tpu=True give `steps`; it may be larger than the input.")  # fmt: skip


def _takes_input_fn(call: ast.Call) -> bool:
    """Whether an input_fn is given, by that name or as a first argument that is called like it."""
    if any(keyword.arg == "input_fn" for keyword in call.keywords):
        return True
    first = call.args[0] if call.args else None
    chain = list_parts(first) if isinstance(first, ast.Name | ast.Attribute) else []
    return bool(chain) and "input_fn" in chain[-1]


def _check_model_fn(parts: Sequence[Definition]) -> Iterator[Finding]:
    """Checks a model_fn, the first of `parts`, and what it calls, the others."""
    model_fn = parts[0]
    names = {_last_name(call) for part in parts for call in list_calls(part.node)}
    nodes = (node for part in parts for node in ast.walk(part.node))
    references = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    trains = {"minimize", "apply_gradients"} & names
    if trains and "CrossShardOptimizer" not in references | names:
        yield Finding(
            str(model_fn.path),
            model_fn.node.lineno,
            Level.ATTENTION,
            f"{model_fn.node.name}: no CrossShardOptimizer",
            "With use_tpu=True wrap the optimizer in tf.compat.v1.tpu.CrossShardOptimizer.",
        )
    for part in parts:
        for call in list_calls(part.node):
            for found in _check_device_call(call):
                yield Finding(str(part.path), *found)


def _check_device_call(call: ast.Call) -> Iterator[_Found]:
    chain = list_parts(call.func)
    if len(chain) < 2:
        return
    if chain[-1] in _DEVICE_CALLS:
        yield call.lineno, Level.ATTENTION, ".".join(chain), _DEVICE_CALLS[chain[-1]]
    elif chain[-2] == "summary" and chain[-1] in _SUMMARIES:
        yield (call.lineno, Level.ATTENTION, ".".join(chain),
               "On devices it is left out unless it is in a host_call.")  # fmt: skip
    elif chain[-2] in _HOST_PARTS or chain[-1].startswith(("string_", "parse_example")):
        yield (
            call.lineno,
            Level.ATTENTION,
            ".".join(chain),
            f"{_ON_HOST}do it on the predictions, or in host_call.",
        )


def _check_input_fn(function: ast.FunctionDef) -> Iterator[_Found]:
    if any(word in function.name for word in ("eval", "predict", "serving")):
        return  # a smaller last batch is filled up there
    for call in list_calls(function):
        name = _last_name(call)
        if name not in ("batch", "map_and_batch", "padded_batch"):
            continue
        if not any(keyword.arg in ("drop_remainder", None) for keyword in call.keywords):
            yield (call.lineno, Level.ATTENTION, f"{name}() without drop_remainder",
                   "With use_tpu=True training needs batches of static shape: "
                   "drop_remainder=True.")  # fmt: skip


def _list_functions(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def _is_model_fn(function: ast.FunctionDef) -> bool:
    arguments = {argument.arg for argument in function.args.args}
    return {"features", "mode"} <= arguments


def _is_input_fn(function: ast.FunctionDef) -> bool:
    # The inner function of a builder has the outer one's calls below it, not the other way round.
    return "input_fn" in function.name and "receiver" not in function.name


def _last_name(call: ast.Call) -> str:
    chain = list_parts(call.func)
    return chain[-1] if chain else ""
