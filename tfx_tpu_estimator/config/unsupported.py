"""Refusals of what is understood, but whose feature this release does not have."""

from __future__ import annotations

from tfx_tpu_estimator.config.base_run_config import BaseRunConfig
from tfx_tpu_estimator.config.run_config import RunConfig
from tfx_tpu_estimator.errors import FeatureNotAvailableError


def refuse_strategies(config: BaseRunConfig) -> None:
    """Refuses distribution strategies, whose place the TPU engine takes.

    Args:
        config: the configuration.

    Raises:
        FeatureNotAvailableError: naming the setting and the way out.
    """
    for name in ("train_distribute", "eval_distribute", "experimental_distribute"):
        if getattr(config, name) is not None:
            raise FeatureNotAvailableError(
                f"RunConfig `{name}` is not supported; got {getattr(config, name)!r}. Leave it "
                "None, and use TPUEstimator with use_tpu=True: it trains on all TPU cores, GPUs or "
                "virtual CPU devices, and in several processes where TF_CONFIG describes them."
            )


def refuse_host_evaluation(config: RunConfig) -> None:
    """Refuses evaluation on the host for a training that several processes share.

    Args:
        config: the configuration.

    Raises:
        FeatureNotAvailableError: naming the setting and the way out.
    """
    processes = config.cluster_spec.as_dict()
    if sum(len(addresses) for addresses in processes.values()) > 1:
        raise FeatureNotAvailableError(
            "A run of several processes needs `eval_on_tpu`=True; the cluster has "
            f"{processes}. Set it, or unset TF_CONFIG (or `cluster`) and run a single process."
        )


def refuse_device_fn(config: RunConfig) -> None:
    """Refuses a placement of one's own where the runtime places the model on devices.

    Args:
        config: the configuration.

    Raises:
        FeatureNotAvailableError: naming the setting and the way out.
    """
    if config.device_fn is not None:
        raise FeatureNotAvailableError(
            f"RunConfig `device_fn` has no effect with use_tpu=True; got {config.device_fn!r}. "
            "Leave it None: the runtime places the model. With use_tpu=False it is honoured."
        )


def refuse_unsupported_config(config: RunConfig) -> None:
    """Refuses settings that are understood, but whose feature this release does not have.

    Args:
        config: the configuration.

    Raises:
        FeatureNotAvailableError: naming the setting and the way out.
    """
    tpu_config = config.tpu_config
    if tpu_config.experimental_feed_hook is not None:
        raise FeatureNotAvailableError(
            "A feed hook of one's own is not available; got `experimental_feed_hook`="
            f"{tpu_config.experimental_feed_hook!r}. Leave it None: input is moved to the devices "
            "by the runtime, without an infeed."
        )
