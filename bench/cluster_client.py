"""Times a TensorFlow session of Python's on a server: what the client of our own is measured against.

    python cluster_client.py ADDRESS GRAPH BYTES

GRAPH is a file with the GraphDef that both run. Reads lines `fetch N`, `feed N`, `step N` from stdin, runs that N times,
and prints the milliseconds of each run as a JSON list.
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

address, path, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
graph = tf1.GraphDef()
with open(path, "rb") as file:
    graph.ParseFromString(file.read())
tf1.import_graph_def(graph, name="")
value = np.arange(size // 4, dtype=np.float32)

config = tf1.ConfigProto()
config.graph_options.optimizer_options.opt_level = tf1.OptimizerOptions.L0
config.graph_options.rewrite_options.disable_meta_optimizer = True
with tf1.Session(f"grpc://{address}", config=config) as session:
    session.run("init")
    runs = {
        "fetch": lambda: session.run("read:0"),
        "feed": lambda: session.run("shape:0", {"fed:0": value}),
        "step": lambda: session.run("nothing"),
    }
    print("ready", flush=True)
    for line in sys.stdin:
        name, count = line.split()
        times = []
        for _ in range(int(count)):
            started = time.perf_counter()
            runs[name]()
            times.append((time.perf_counter() - started) * 1000)
        print(json.dumps(times), flush=True)
