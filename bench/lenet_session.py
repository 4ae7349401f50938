"""Steps per second of a TensorFlow session on LeNet with towers: what the embedded engine is measured against.

    python lenet_session.py TOWERS BATCH_PER_TOWER STEPS

Each tower sits on a CPU device of its own with its own variables, and applies the mean of the towers' gradients, as
`replicated` does. Prints one JSON object.
"""
import json
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np
import tensorflow as tf

tf1 = tf.compat.v1
tf1.disable_eager_execution()

towers, batch, steps = (int(text) for text in sys.argv[1:4])


def tower(images, labels, index):
    def variable(name, shape, stddev):
        value = tf1.truncated_normal(shape, stddev=stddev, seed=index + 1) if stddev else tf.zeros(shape)
        return tf1.get_variable(f"v{index}/{name}", initializer=value, use_resource=True)

    x = (images / 256.0 - 0.5) * 2.0
    for i, (size_in, size_out) in enumerate(((1, 32), (32, 64))):
        x = tf.nn.conv2d(x, variable(f"conv{i}/kernel", [5, 5, size_in, size_out], 0.05), 1, "SAME")
        x = tf.nn.relu(tf.nn.bias_add(x, variable(f"conv{i}/biases", [size_out], 0)))
        x = tf.nn.max_pool2d(x, 2, 2, "VALID")
    x = tf.reshape(x, [-1, 3136])
    x = tf.nn.relu(tf.matmul(x, variable("affine0/weights", [3136, 512], 0.02)) + variable("affine0/biases", [512], 0))
    x = tf.matmul(x, variable("affine1/weights", [512, 10], 0.05)) + variable("affine1/biases", [10], 0)
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=x))


images = tf1.placeholder(tf.float32, [None, 28, 28, 1])
labels = tf1.placeholder(tf.int32, [None])
parts = zip(tf.split(images, towers), tf.split(labels, towers))
losses, gradients = [], []
for index, (rows, classes) in enumerate(parts):
    with tf.device(f"/device:CPU:{index}"):
        loss = tower(rows, classes, index)
        own = [v for v in tf1.trainable_variables() if v.name.startswith(f"v{index}/")]
        gradients.append(list(zip(tf.gradients(loss, own), own)))
        losses.append(loss)
updates = []
for column in zip(*gradients):
    mean = tf.add_n([gradient for gradient, _ in column]) / float(towers)
    for index, (_, variable) in enumerate(column):
        with tf.device(f"/device:CPU:{index}"):
            updates.append(variable.assign_sub(0.05 * mean))
train = tf.group(*updates)
total = tf.add_n(losses) / float(towers)

rng = np.random.RandomState(1)
feed = {
    images: rng.randint(0, 256, [towers * batch, 28, 28, 1]).astype(np.float32),
    labels: rng.randint(0, 10, [towers * batch]).astype(np.int32),
}
config = tf1.ConfigProto(device_count={"CPU": towers})
with tf1.Session(config=config) as session:
    session.run(tf1.global_variables_initializer())
    for _ in range(5):
        session.run([train, total], feed)
    started = time.perf_counter()
    for _ in range(steps):
        _, loss = session.run([train, total], feed)
    seconds = time.perf_counter() - started
print(json.dumps({"stepsPerSecond": steps / seconds, "loss": float(loss), "tensorflow": tf.__version__}))
