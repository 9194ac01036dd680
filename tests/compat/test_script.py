"""`tfx-tpu-estimator run`: a program runs as Python would run it."""

import textwrap

import pytest
from click.testing import CliRunner
from helpers.script_runs import run_commands

from tfx_tpu_estimator.cli import main

PROGRAM = """
    '''A program of TensorFlow 1.'''
    import sys
    import tensorflow as tf
    import helper

    tf.flags.DEFINE_integer("exit", 0, "Exit code.")
    FLAGS = tf.flags.FLAGS

    def main(argv):
        print("argv", sys.argv[1:], argv[1:])
        print("main", sys.modules["__main__"].FLAGS is FLAGS, __file__, sys.path[0])
        print("eager", tf.executing_eagerly(), helper.name)
        with tf.Session() as session:
            x = tf.placeholder(tf.float32, [None, 3])
            print("value", x.shape[-1].value, session.run(x + 1, {x: [[1, 2, 3]]}).sum())
        if FLAGS.exit == 1:
            raise ValueError("no luck")
        sys.exit(FLAGS.exit)

    if __name__ == "__main__":
        tf.app.run()
"""
HELPER = """
    import tensorflow as tf
    name = tf.summary.create_file_writer.__module__ and tf.__name__
"""
MODULE = """
    import sys
    import tensorflow as tf
    print("module", __name__, __package__, sys.argv[1:], tf.estimator.ModeKeys.TRAIN)
    print("eager", tf.executing_eagerly())
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scripts").resolve()
    sources = {
        "program.py": PROGRAM,
        "helper.py": HELPER,
        "pkg/__init__.py": "",
        "pkg/tool.py": MODULE,
        "broken.py": "def f(:\n",
        "plain.py": "import tensorflow as tf\nprint('eager', tf.executing_eagerly())\n",
    }
    for name, text in sources.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text))
    commands = {
        "args": ["run", "program.py", "--exit=0", "--", "--help", "-m"],
        "exit": ["run", "program.py", "--exit", "17"],
        "raise": ["run", "program.py", "--exit=1"],
        "module": ["run", "-m", "pkg.tool", "--help"],
        "broken": ["run", "broken.py"],
        "tf1": ["run", "--tf1", "plain.py"],
        "plain": ["run", "plain.py"],
    }
    found = run_commands(folder, commands.values())
    return dict(zip(commands, found, strict=True)), folder


def test_arguments_reach_the_program_untouched(results):
    result = results[0]["args"]
    assert result.code == 0, result.stderr
    assert "argv ['--exit=0', '--', '--help', '-m'] ['--', '--help', '-m']" in result.stdout


def test_it_is_the_main_module_in_its_directory(results):
    found, folder = results
    assert f"main True {folder / 'program.py'} {folder}" in found["args"].stdout


def test_tensorflow_1_for_the_program_and_2_for_modules_that_need_it(results):
    assert "eager False tensorflow\n" in results[0]["args"].stdout
    assert "value 3 9.0" in results[0]["args"].stdout


@pytest.mark.parametrize(
    ("name", "code"), [("exit", 17), ("raise", 1), ("module", 0), ("broken", 1)]
)
def test_exit_codes(results, name, code):
    assert results[0][name].code == code


def test_tracebacks_start_in_the_program(results):
    trace = results[0]["raise"].stderr.split("Traceback (most recent call last):\n")[1]
    assert "program.py" in trace.splitlines()[0]
    assert trace.rstrip().endswith("ValueError: no luck")


def test_syntax_errors_show_the_line_only(results):
    assert "SyntaxError" in results[0]["broken"].stderr
    assert "Traceback" not in results[0]["broken"].stderr


def test_modules_run_as_python_runs_them(results):
    assert "module __main__ pkg ['--help'] train" in results[0]["module"].stdout


@pytest.mark.parametrize(("name", "eager"), [("plain", True), ("tf1", False), ("module", True)])
def test_tensorflow_2_programs_stay_tensorflow_2(results, name, eager):
    assert f"eager {eager}" in results[0][name].stdout


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["run", "nowhere.py"], "there is no file 'nowhere.py'"),
        (["run", "-m", "no_such_pkg.mod"], "no_such_pkg"),
        (["run", "--num-cores", "0", "x.py"], "--num-cores"),
    ],
)
def test_wrong_usage_is_explained(args, text):
    result = CliRunner().invoke(main, args)
    assert result.exit_code == 2
    assert text in result.output


def test_help_shows_how_it_is_used():
    result = CliRunner().invoke(main, ["run", "--help"])
    assert result.exit_code == 0
    for text in ("SCRIPT", "--tf1 / --tf2", "--num-cores", "--platform", "-m"):
        assert text in result.output
