"""Which samples of the examples are evaluated for confidence intervals, and what these say."""

from __future__ import annotations

import abc
from collections.abc import Iterator
from typing import Any

import numpy as np
from tensorflow_model_analysis.proto import config_pb2

from .tfma_names import (
    FULL_SAMPLE,
    BootstrapCombiner,
    JackknifeCombiner,
    SampleMetrics,
    interval_parameters,
)

Metrics = dict[Any, Any]
# Number of a file, and of a batch in it.
Place = tuple[int, int]


class Sampling(abc.ABC):
    """Divides the examples of each slice into groups, and names the groups of each sample."""

    # Groups of each slice.
    groups = 1

    @abc.abstractmethod
    def draw(self, place: Place, count: int) -> Iterator[tuple[np.ndarray | None, np.ndarray]]:
        """Yields (places in the batch, or None for all in order; [n] group 0..groups-1 of each).

        Args:
            place: Where the batch stands; the same place and count give the same draw, whoever
                draws and in what order.
            count: Examples of the batch.
        """

    @abc.abstractmethod
    def list_samples(self) -> list[list[int]]:
        """Returns the groups of all examples, then those of each sample."""

    @abc.abstractmethod
    def combine(self, results: list[Metrics | None]) -> Metrics:
        """Makes one slice's metrics of those of its samples, of which the first is the whole.

        Args:
            results: Metrics by sample; None for a sample without examples.
        """


class Whole(Sampling):
    """No intervals: one group, one sample."""

    def draw(self, place: Place, count: int) -> Iterator[tuple[np.ndarray | None, np.ndarray]]:
        """See Sampling."""
        yield None, np.zeros([count], np.int64)

    def list_samples(self) -> list[list[int]]:
        """See Sampling."""
        return [[0]]

    def combine(self, results: list[Metrics | None]) -> Metrics:
        """See Sampling."""
        assert results[0] is not None
        return results[0]


class _Sampled(Sampling):
    def __init__(self, combiner: Any, seed: int):
        self._combiner = combiner
        self._seed = seed

    def combine(self, results: list[Metrics | None]) -> Metrics:
        """See Sampling."""
        accumulator = self._combiner.create_accumulator()
        for number, metrics in enumerate(results):
            if metrics is not None:
                sample = SampleMetrics(metrics, number - 1 if number else FULL_SAMPLE)
                accumulator = self._combiner.add_input(accumulator, sample)
        return self._combiner.extract_output(accumulator)

    def _random(self, place: Place) -> np.random.Generator:
        # The same examples make the same intervals.
        return np.random.default_rng([self._seed, *place])


class Jackknife(_Sampled):
    """Each sample leaves out one of equal parts of the examples.

    Args:
        count: Number of parts.
        skip: Keys of metrics that get no interval.
        seed: Of the division.
    """

    def __init__(self, count: int, skip: Any, seed: int = 0):
        super().__init__(JackknifeCombiner(count, skip), seed)
        self.groups = count

    def draw(self, place: Place, count: int) -> Iterator[tuple[np.ndarray | None, np.ndarray]]:
        """See Sampling."""
        yield None, self._random(place).integers(self.groups, size=count)

    def list_samples(self) -> list[list[int]]:
        """See Sampling."""
        everything = list(range(self.groups))
        return [everything, *([g for g in everything if g != out] for out in everything)]


class Bootstrap(_Sampled):
    """Each sample takes every example as often as a Poisson distribution of mean 1 says.

    Args:
        count: Number of samples.
        skip: Keys of metrics that get no interval.
        seed: Of the draws.
    """

    def __init__(self, count: int, skip: Any, seed: int = 0):
        super().__init__(BootstrapCombiner(count, skip), seed)
        self.groups = count + 1

    def draw(self, place: Place, count: int) -> Iterator[tuple[np.ndarray | None, np.ndarray]]:
        """See Sampling."""
        yield None, np.zeros([count], np.int64)
        random = self._random(place)
        for group in range(1, self.groups):
            rows = np.repeat(np.arange(count), random.poisson(1.0, count))
            yield rows, np.full([rows.size], group)

    def list_samples(self) -> list[list[int]]:
        """See Sampling."""
        return [[group] for group in range(self.groups)]


def make_sampling(config: config_pb2.EvalConfig) -> Sampling:
    """Returns how an EvalConfig wants intervals: not at all, by jackknife or by bootstrap."""
    parameters = interval_parameters(config, config.metrics_specs)
    if parameters.num_bootstrap_samples:
        return Bootstrap(parameters.num_bootstrap_samples, parameters.skip_ci_metric_keys)
    if parameters.num_jackknife_samples:
        return Jackknife(parameters.num_jackknife_samples, parameters.skip_ci_metric_keys)
    return Whole()
