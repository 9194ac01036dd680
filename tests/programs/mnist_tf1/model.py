"""The network, in the style of TensorFlow 1: `import tensorflow as tf` and tf.contrib."""

import tensorflow as tf

slim = tf.contrib.slim


def network(images, training):
    with slim.arg_scope(
        [slim.conv2d, slim.fully_connected], weights_regularizer=slim.l2_regularizer(1e-4)
    ):
        net = slim.conv2d(images, 4, [3, 3], stride=2, scope="conv1")
        net = tf.contrib.layers.layer_norm(net, begin_norm_axis=1, scope="norm")
        net = slim.max_pool2d(net, 2)
        net = slim.flatten(net)
        net = slim.dropout(net, keep_prob=0.9, is_training=training)
        return slim.fully_connected(net, 10, activation_fn=None, scope="logits")
