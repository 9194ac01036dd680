import pytest

from tfx_tpu_estimator.compile_check.chips import CHIPS, parse_topology, usable_bytes


@pytest.mark.parametrize(
    ("name", "known", "cores"),
    [
        ("v5e:2x2", "v5e:2x2", 4),
        ("V5E:4x4", "v5e:4x4", 16),
        ("v5litepod:1x1", "v5e:1x1", 1),
        ("v3:2x2", "v3:2x2", 8),
        ("v5p:2x2x1", "v5p:2x2x1", 4),
        ("7x:2x2x1", "tpu7x:2x2x1", 8),
    ],
)
def test_names(name, known, cores):
    topology = parse_topology(name)
    assert (topology.name, topology.cores) == (known, cores)


@pytest.mark.parametrize("name", ["v5e", "v9:2x2", "v5e:2", "v5e:0x2", "v5e:2x2x2x2", "", "2x2"])
def test_unknown_names_list_those_known(name):
    with pytest.raises(ValueError, match=r"is unknown.*v5e, v5p, v6e, tpu7x.*v5e:2x2"):
        parse_topology(name)


def test_a_name_is_a_string():
    with pytest.raises(TypeError, match="must be a string such as 'v5e:2x2'; got 4"):
        parse_topology(4)


@pytest.mark.parametrize("name", CHIPS)
def test_the_compiler_keeps_a_little_memory_to_itself(name):
    chip = CHIPS[name]
    assert 0.93 * chip.hbm_bytes < usable_bytes(chip) < 1.01 * chip.hbm_bytes
