"""Which seed a run has that was given none."""

from tfx_tpu_estimator.config.seeds import choose_seed, default_seed, find_seed


def test_a_seed_of_its_own_wins():
    with default_seed(7):
        assert (choose_seed(1), choose_seed(0), choose_seed(None)) == (1, 0, 7)
        with default_seed(8):
            assert find_seed(None) == 8
        assert find_seed(None) == 7


def test_without_any_every_run_has_another():
    assert find_seed(None) is None
    assert len({choose_seed(None) for _ in range(5)}) > 1
