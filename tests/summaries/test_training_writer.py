import glob

import tensorflow as tf

from tfx_tpu_estimator.summaries.event_writer import write_evaluation
from tfx_tpu_estimator.summaries.training_writer import (
    close_training_writers,
    open_training_writer,
)

tf1 = tf.compat.v1


def read_steps(directory):
    return sorted(
        event.step
        for path in glob.glob(f"{directory}/events.*")
        for event in tf1.train.summary_iterator(path)
        if event.summary.value
    )


def test_two_trainings_within_a_second_keep_their_events(tmp_path):
    for step in (1, 2):
        with tf.Graph().as_default():
            writer = open_training_writer(str(tmp_path))
            value = tf1.Summary.Value(tag="loss", simple_value=1.0)
            writer.add_summary(tf1.Summary(value=[value]), step)
            close_training_writers()
    assert read_steps(tmp_path) == [1, 2]


def test_hooks_of_tensorflow_write_to_the_same_file(tmp_path):
    with tf.Graph().as_default():
        writer = open_training_writer(str(tmp_path))
        assert tf1.summary.FileWriterCache.get(str(tmp_path)) is writer
        close_training_writers()


def test_two_evaluations_within_a_second_keep_their_events(tmp_path):
    for step in (1, 2, 3):
        write_evaluation(str(tmp_path), {"auc": 0.5}, step)
    assert read_steps(tmp_path) == [1, 2, 3]
