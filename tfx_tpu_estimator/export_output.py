"""What a served model answers: classification, regression or named predictions."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

_SINGLE_PREDICTION_KEY = "output"


class ExportOutput(abc.ABC):
    """One signature of an exported model: its tensors, and how they become a SignatureDef.

    Example:
        >>> issubclass(PredictOutput, ExportOutput)
        True
    """

    @abc.abstractmethod
    def as_signature_def(self, receiver_tensors: Any) -> Any:
        """Builds the SignatureDef that maps the receiver's tensors to this output.

        Args:
            receiver_tensors: one Tensor, or a dict of name to Tensor, fed by the caller of the
                served model.

        Returns:
            A SignatureDef protocol buffer.

        Raises:
            ValueError: if the receiver's tensors do not suit this kind of signature.
        """

    @abc.abstractmethod
    def tensors(self) -> list[tf.Tensor | None]:
        """Lists the tensors of this output in a fixed order.

        Returns:
            One entry per component; None where an optional component is missing.
        """

    @abc.abstractmethod
    def with_tensors(self, tensors: Sequence[tf.Tensor | None]) -> ExportOutput:
        """Builds the same kind of output around other tensors.

        Args:
            tensors: replacements, in the order and number of `tensors()`.

        Returns:
            A new output of the same type.

        Raises:
            ValueError: if their number differs from that of `tensors()`.
        """


class ClassificationOutput(ExportOutput):
    """Scores and/or names of classes, for the classify signature.

    Example:
        >>> with tf.Graph().as_default():
        ...     output = ClassificationOutput(scores=tf.constant([[0.2, 0.8]]))
        >>> output.classes is None
        True
    """

    def __init__(self, scores: tf.Tensor | None = None, classes: tf.Tensor | None = None):
        """Checks and keeps the two tensors.

        Args:
            scores: float Tensor [batch, classes], or None.
            classes: string Tensor [batch, classes], or None.

        Raises:
            ValueError: if both are None, or one is not a Tensor of the right type.
        """
        if scores is not None and not (tf.is_tensor(scores) and scores.dtype.is_floating):
            raise ValueError(f"Classification `scores` must be a float32 Tensor; got {scores!r}.")
        if classes is not None and not (tf.is_tensor(classes) and classes.dtype == tf.string):
            raise ValueError(
                f"Classification `classes` must be a string Tensor; got {classes!r}. "
                "Convert class numbers with tf.strings.as_string."
            )
        if scores is None and classes is None:
            raise ValueError(
                "At least one of `scores` and `classes` must be set; got None for both."
            )
        self._scores = scores
        self._classes = classes

    @property
    def scores(self) -> tf.Tensor | None:
        """The scores, [batch, classes], or None."""
        return self._scores

    @property
    def classes(self) -> tf.Tensor | None:
        """The class names, [batch, classes], or None."""
        return self._classes

    def as_signature_def(self, receiver_tensors: Any) -> Any:
        """Builds a classify signature; see `ExportOutput.as_signature_def`."""
        examples = _require_single_string(receiver_tensors, "Classification")
        if self._scores is not None:
            _require_float32(self._scores, "Classification `scores`")
        return tf.compat.v1.saved_model.classification_signature_def(
            examples, self._classes, self._scores
        )

    def tensors(self) -> list[tf.Tensor | None]:
        """Lists [scores, classes]; see `ExportOutput.tensors`."""
        return [self._scores, self._classes]

    def with_tensors(self, tensors: Sequence[tf.Tensor | None]) -> ClassificationOutput:
        """Rebuilds the output; see `ExportOutput.with_tensors`."""
        scores, classes = _match_count(tensors, self.tensors())
        return ClassificationOutput(scores=scores, classes=classes)


class RegressionOutput(ExportOutput):
    """One number per example, for the regress signature.

    Example:
        >>> with tf.Graph().as_default():
        ...     output = RegressionOutput(tf.constant([1.5]))
        >>> len(output.tensors())
        1
    """

    def __init__(self, value: tf.Tensor):
        """Checks and keeps the tensor.

        Args:
            value: float Tensor [batch] or [batch, 1].

        Raises:
            ValueError: if it is not a float Tensor.
        """
        if not (tf.is_tensor(value) and value.dtype.is_floating):
            raise ValueError(f"Regression output `value` must be a float32 Tensor; got {value!r}.")
        self._value = value

    @property
    def value(self) -> tf.Tensor:
        """The predicted numbers, [batch] or [batch, 1]."""
        return self._value

    def as_signature_def(self, receiver_tensors: Any) -> Any:
        """Builds a regress signature; see `ExportOutput.as_signature_def`."""
        examples = _require_single_string(receiver_tensors, "Regression")
        _require_float32(self._value, "Regression output `value`")
        return tf.compat.v1.saved_model.regression_signature_def(examples, self._value)

    def tensors(self) -> list[tf.Tensor | None]:
        """Lists [value]; see `ExportOutput.tensors`."""
        return [self._value]

    def with_tensors(self, tensors: Sequence[tf.Tensor | None]) -> RegressionOutput:
        """Rebuilds the output; see `ExportOutput.with_tensors`."""
        (value,) = _match_count(tensors, self.tensors())
        return RegressionOutput(value)


class PredictOutput(ExportOutput):
    """Named tensors of any type, for the predict signature.

    Example:
        >>> with tf.Graph().as_default():
        ...     output = PredictOutput({"score": tf.constant([0.5])})
        >>> sorted(output.outputs)
        ['score']
    """

    def __init__(self, outputs: tf.Tensor | Mapping[str, tf.Tensor]):
        """Checks and keeps the tensors.

        Args:
            outputs: dict of name to Tensor [batch, ...]; a single Tensor is named 'output'.

        Raises:
            ValueError: if it is empty, a name is not a string or a value is not a Tensor.
        """
        if not isinstance(outputs, Mapping):
            outputs = {_SINGLE_PREDICTION_KEY: outputs}
        if not outputs:
            raise ValueError("`outputs` of PredictOutput must name at least one Tensor; got {}.")
        for key, value in outputs.items():
            if not isinstance(key, str):
                raise ValueError(f"Prediction output key must be a string; got {key!r}.")
            if not tf.is_tensor(value):
                raise ValueError(
                    f"Prediction output value of {key!r} must be a Tensor; got {value!r}."
                )
        self._outputs = dict(outputs)

    @property
    def outputs(self) -> dict[str, tf.Tensor]:
        """The tensors by name, in the order given."""
        return dict(self._outputs)

    def as_signature_def(self, receiver_tensors: Any) -> Any:
        """Builds a predict signature; see `ExportOutput.as_signature_def`.

        A single receiver Tensor is named 'input'.
        """
        inputs = receiver_tensors
        if not isinstance(inputs, Mapping):
            inputs = {"input": inputs}
        return tf.compat.v1.saved_model.predict_signature_def(dict(inputs), self._outputs)

    def tensors(self) -> list[tf.Tensor | None]:
        """Lists the tensors in the order given; see `ExportOutput.tensors`."""
        return list(self._outputs.values())

    def with_tensors(self, tensors: Sequence[tf.Tensor | None]) -> PredictOutput:
        """Rebuilds the output under the same names; see `ExportOutput.with_tensors`."""
        values = _match_count(tensors, self.tensors())
        return PredictOutput(dict(zip(self._outputs, values, strict=True)))


def _require_single_string(receiver_tensors: Any, kind: str) -> tf.Tensor:
    """Returns the one string Tensor that classify and regress signatures are fed with."""
    tensor = receiver_tensors
    if isinstance(tensor, Mapping):
        if len(tensor) != 1:
            raise ValueError(
                f"{kind} input must be a single string Tensor; got {receiver_tensors!r}. "
                "Use PredictOutput for models that are fed several tensors."
            )
        tensor = next(iter(tensor.values()))
    if not (tf.is_tensor(tensor) and tensor.dtype == tf.string):
        raise ValueError(
            f"{kind} input must be a single string Tensor (serialized tf.Examples); "
            f"got {receiver_tensors!r}. Use PredictOutput for models fed otherwise."
        )
    return tensor


def _require_float32(tensor: tf.Tensor, what: str) -> None:
    # The wire format of classify and regress has float32 only.
    if tensor.dtype != tf.float32:
        raise ValueError(
            f"{what} must be a float32 Tensor to be served; got {tensor!r}. "
            "Convert it with tf.cast(..., tf.float32)."
        )


def _match_count(given: Sequence[Any], own: Sequence[Any]) -> list[Any]:
    """Returns the given tensors if they are as many as an output's own."""
    if len(given) != len(own):
        raise ValueError(
            f"`tensors` must have {len(own)} entries, as tensors() has; got {len(given)}."
        )
    return list(given)
