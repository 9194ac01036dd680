import pytest

from tfx_tpu_estimator.compile_check.search import Trial, find_largest_batch


def compile_with(need, limit=1000):
    tried = []

    def compile_batch(batch):
        tried.append(batch)
        return Trial(batch, need(batch) <= limit, need(batch), limit)

    return compile_batch, tried


@pytest.mark.parametrize("start", [1, 7, 64, 5000])
@pytest.mark.parametrize(
    ("need", "largest"),
    [
        (lambda batch: 10 + 3 * batch, 330),
        (lambda batch: 100 + 8 * (-(-batch // 8)) * 5, 176),  # padded to multiples of 8
        (lambda batch: 999 + batch, 1),
        (lambda batch: 2000, 0),
    ],
)
def test_finds_about_the_largest_in_few_compiles(start, need, largest):
    compile_batch, tried = compile_with(need)
    first = compile_batch(start)
    found = find_largest_batch(first, compile_batch)
    assert len(tried) <= 7
    assert len(set(tried)) == len(tried)
    assert found <= largest
    assert largest - found <= max(8, largest // 10)


def test_a_batch_that_cannot_be_tried_ends_the_search():
    assert find_largest_batch(Trial(4, True, 10, 100), lambda batch: None) == 4


def test_without_figures_it_doubles_and_halves():
    def compile_batch(batch):
        return Trial(batch, batch <= 20, None, 100)

    assert find_largest_batch(compile_batch(8), compile_batch) == 20
