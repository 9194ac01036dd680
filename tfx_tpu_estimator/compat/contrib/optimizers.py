"""Optimizers of `tf.contrib.opt` that TPUEstimator programs use, and gradient clipping."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

_v1 = tf.compat.v1


class _DecoupledWeightDecay:
    """Shrinks variables by a share of themselves before the optimizer's own update.

    Args:
        weight_decay: Share by which a variable shrinks in a step; a number or a tensor.
    """

    def __init__(self, weight_decay: Any, *args: Any, **kwargs: Any):
        self._weight_decay = weight_decay
        self._decay_names: set[str] | None = None
        super().__init__(*args, **kwargs)

    def minimize(
        self,
        loss: Any,
        global_step: Any = None,
        var_list: Any = None,
        *args: Any,
        decay_var_list: Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Makes the training op; `decay_var_list` limits the decay to those variables."""
        self._note_decayed(decay_var_list)
        return super().minimize(loss, global_step, var_list, *args, **kwargs)  # pyright: ignore

    def apply_gradients(
        self,
        grads_and_vars: Any,
        global_step: Any = None,
        name: str | None = None,
        decay_var_list: Sequence[Any] | None = None,
    ) -> Any:
        """Makes the training op; `decay_var_list` limits the decay to those variables."""
        if decay_var_list is not None:
            self._note_decayed(decay_var_list)
        return super().apply_gradients(grads_and_vars, global_step, name)  # pyright: ignore

    def _note_decayed(self, variables: Sequence[Any] | None) -> None:
        self._decay_names = None if variables is None else {v.name for v in variables}

    def _decay(self, variable: Any) -> Any:
        if self._decay_names is not None and variable.name not in self._decay_names:
            return tf.no_op()
        share = tf.cast(self._weight_decay, variable.dtype.base_dtype)
        return variable.assign_sub(share * variable.read_value())

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        with tf.control_dependencies([self._decay(var)]):
            return super()._apply_dense(grad, var)  # pyright: ignore

    def _resource_apply_dense(self, grad: Any, var: Any) -> Any:
        with tf.control_dependencies([self._decay(var)]):
            return super()._resource_apply_dense(grad, var)  # pyright: ignore

    def _resource_apply_sparse(self, grad: Any, var: Any, indices: Any) -> Any:
        with tf.control_dependencies([self._decay(var)]):
            return super()._resource_apply_sparse(grad, var, indices)  # pyright: ignore


class AdamWOptimizer(_DecoupledWeightDecay, _v1.train.AdamOptimizer):
    """Adam with weight decay apart from the gradient (Loshchilov and Hutter).

    Args:
        weight_decay: Share by which a variable shrinks in a step, not multiplied by the rate.
        learning_rate: Rate of Adam, default 0.001.
        beta1: Share of the mean of gradients that a step keeps, default 0.9.
        beta2: Share of the mean of squares that a step keeps, default 0.999.
        epsilon: Added to the denominator, default 1e-8.
        use_locking: Lock variables while they are updated.
        name: Name of the slots' scope.
    """

    def __init__(
        self,
        weight_decay: Any,
        learning_rate: Any = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        use_locking: bool = False,
        name: str = "AdamW",
    ):
        super().__init__(weight_decay, learning_rate, beta1, beta2, epsilon, use_locking, name)


class MomentumWOptimizer(_DecoupledWeightDecay, _v1.train.MomentumOptimizer):
    """Momentum with weight decay apart from the gradient.

    Args:
        weight_decay: Share by which a variable shrinks in a step, not multiplied by the rate.
        learning_rate: Rate.
        momentum: Share of the velocity that a step keeps.
        use_locking: Lock variables while they are updated.
        name: Name of the slots' scope.
        use_nesterov: Look one step ahead.
    """

    def __init__(
        self,
        weight_decay: Any,
        learning_rate: Any,
        momentum: Any,
        use_locking: bool = False,
        name: str = "MomentumW",
        use_nesterov: bool = False,
    ):
        super().__init__(weight_decay, learning_rate, momentum, use_locking, name, use_nesterov)


class LARSOptimizer(_v1.train.MomentumOptimizer):
    """Momentum with a rate for each layer: its weights' norm over that of its update (You et al.).

    Args:
        learning_rate: Rate that the layers' rates are multiplied with.
        momentum: Share of the velocity that a step keeps, default 0.9.
        weight_decay: Factor of the weights added to gradients, default 0.0001.
        eeta: Trust coefficient, default 0.001.
        epsilon: Added to the denominator, default 0.
        name: Name of the slots' scope.
        skip_list: Parts of names; variables whose name has one get plain momentum.
        use_nesterov: Look one step ahead.
    """

    def __init__(
        self,
        learning_rate: Any,
        momentum: float = 0.9,
        weight_decay: float = 0.0001,
        eeta: float = 0.001,
        epsilon: float = 0.0,
        name: str = "LARSOptimizer",
        skip_list: Sequence[str] | None = None,
        use_nesterov: bool = False,
    ):
        if momentum < 0.0:
            raise ValueError(f"`momentum` must be >= 0, got {momentum!r}.")
        super().__init__(learning_rate, momentum, name=name, use_nesterov=use_nesterov)
        self._lars_decay = weight_decay
        self._trust = eeta
        self._lars_epsilon = epsilon
        self._skip_list = tuple(skip_list or ())

    def _resource_apply_dense(self, grad: Any, var: Any) -> Any:
        return super()._resource_apply_dense(self._scale(grad, var), var)

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        return super()._apply_dense(self._scale(grad, var), var)

    def _scale(self, grad: Any, var: Any) -> Any:
        """Multiplies a gradient by the trust ratio of its variable."""
        if any(part in var.name for part in self._skip_list):
            return grad
        weights = tf.convert_to_tensor(var)
        weight_norm, grad_norm = tf.norm(weights), tf.norm(grad)
        denominator = grad_norm + self._lars_decay * weight_norm + self._lars_epsilon
        usable = (weight_norm > 0) & (grad_norm > 0)
        safe = tf.where(usable, denominator, tf.ones_like(denominator))
        ratio = tf.where(usable, self._trust * weight_norm / safe, tf.ones_like(weight_norm))
        return ratio * (grad + self._lars_decay * weights)


def clip_gradients_by_norm(optimizer: Any, clip_norm: float) -> Any:
    """Returns an optimizer that clips all gradients together before it applies them.

    Args:
        optimizer: A v1 optimizer.
        clip_norm: Largest norm of all gradients.
    """
    return _ClippingOptimizer(optimizer, lambda grads: _v1.clip_by_global_norm(grads, clip_norm)[0])


class _ClippingOptimizer(_v1.train.Optimizer):
    """Applies a function to all gradients, then another optimizer.

    Args:
        optimizer: The other optimizer.
        transform: Function of the list of gradients.
    """

    def __init__(self, optimizer: Any, transform: Callable[[list[Any]], list[Any]]):
        super().__init__(use_locking=False, name=f"Clip{optimizer.get_name()}")
        self._optimizer = optimizer
        self._transform = transform

    def compute_gradients(self, *args: Any, **kwargs: Any) -> Any:
        """Returns what the other optimizer does."""
        return self._optimizer.compute_gradients(*args, **kwargs)

    def apply_gradients(self, grads_and_vars: Any, *args: Any, **kwargs: Any) -> Any:
        """Clips and hands over."""
        pairs = [(grad, var) for grad, var in grads_and_vars if grad is not None]
        grads = self._transform([grad for grad, _ in pairs])
        clipped = list(zip(grads, [var for _, var in pairs], strict=True))
        return self._optimizer.apply_gradients(clipped, *args, **kwargs)

    def get_slot(self, *args: Any, **kwargs: Any) -> Any:
        """Returns a slot of the other optimizer."""
        return self._optimizer.get_slot(*args, **kwargs)

    def get_slot_names(self, *args: Any, **kwargs: Any) -> Any:
        """Returns the slots of the other optimizer."""
        return self._optimizer.get_slot_names(*args, **kwargs)

    def variables(self) -> Any:
        """Returns the variables of the other optimizer."""
        return self._optimizer.variables()
