"""Runs GraphDefs in sessions of TensorFlow, asked over stdin and answering over stdout, frame by frame.

A frame is the length of a header (u32, little-endian), the header as JSON, and the blobs whose lengths the header lists.
"""
import json
import os
import struct
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
answers = os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)

import numpy as np
import tensorflow.compat.v1 as tf
from google.protobuf import text_format
from tensorflow.core.framework import graph_pb2
from tensorflow.core.protobuf import config_pb2, rewriter_config_pb2

sessions = {}


def read_frame():
    head = sys.stdin.buffer.read(4)
    if len(head) < 4:
        return None, []
    header = json.loads(sys.stdin.buffer.read(struct.unpack("<I", head)[0]))
    return header, [sys.stdin.buffer.read(size) for size in header.get("blobs", [])]


def write_frame(header, blobs=()):
    text = json.dumps({**header, "blobs": [len(b) for b in blobs]}).encode()
    answers.write(struct.pack("<I", len(text)) + text + b"".join(blobs))
    answers.flush()


HALVES = {"float16": tf.float16, "bfloat16": tf.bfloat16}


def array(spec, blob):
    wide = "float32" if spec["dtype"] in HALVES else spec["dtype"]
    value = np.frombuffer(blob, np.dtype(wide)).reshape(spec["shape"])
    half = HALVES.get(spec["dtype"])
    return value if half is None else value.astype(half.as_numpy_dtype)


def spec_and_blob(value):
    value = np.asarray(value)
    dtype = tf.as_dtype(value.dtype).name
    if dtype in HALVES:
        value = value.astype(np.float32)
    return {"dtype": dtype, "shape": list(value.shape)}, np.ascontiguousarray(value).tobytes()


def config(header):
    options = config_pb2.ConfigProto(allow_soft_placement=False, device_count={"CPU": header["devices"]})
    options.intra_op_parallelism_threads = 1
    options.inter_op_parallelism_threads = 4
    graph = options.graph_options
    graph.optimizer_options.opt_level = config_pb2.OptimizerOptions.L0
    graph.rewrite_options.disable_meta_optimizer = True
    graph.rewrite_options.constant_folding = rewriter_config_pb2.RewriterConfig.OFF
    options.experimental.collective_group_leader = "/job:localhost/replica:0/task:0"
    return options


def load(header, blobs):
    graph_def = graph_pb2.GraphDef()
    graph_def.ParseFromString(blobs[0])
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(graph_def, name="")
    sessions[header["session"]] = tf.Session(graph=graph, config=config(header))
    return {}, []


def run(header, blobs):
    session = sessions[header["session"]]
    feeds = {f["tensor"]: array(f, b) for f, b in zip(header["feeds"], blobs)}
    options = config_pb2.RunOptions()
    options.experimental.collective_graph_key = header.get("collective", 0)
    if header.get("trace"):
        options.trace_level = config_pb2.RunOptions.FULL_TRACE
        options.output_partition_graphs = True
    metadata = config_pb2.RunMetadata()
    wanted = (header["fetches"], [session.graph.get_operation_by_name(t) for t in header["targets"]])
    values, _ = session.run(wanted, feeds, options=options, run_metadata=metadata)
    pairs = [spec_and_blob(v) for v in values]
    ran = [[d.device, n.node_name] for d in metadata.step_stats.dev_stats for n in d.node_stats]
    return {"tensors": [p[0] for p in pairs], "ran": ran}, [p[1] for p in pairs]


def close(header, blobs):
    sessions.pop(header["session"]).close()
    return {}, []


def same(header, blobs):
    """Whether a binary and a text form are one message; and TensorFlow's own text form of it."""
    binary, text = graph_pb2.GraphDef(), graph_pb2.GraphDef()
    binary.ParseFromString(blobs[0])
    text_format.Parse(blobs[1].decode(), text)
    return {"same": binary == text}, [text_format.MessageToString(binary).encode()]


def foreign(header, blobs):
    """A graph of TensorFlow's own making, with much that the IR does not have."""
    graph = tf.Graph()
    with graph.as_default(), tf.device("/device:CPU:0"):
        x = tf.placeholder(tf.float32, [None, 4], name="x")
        with tf.variable_scope("", use_resource=header["resource"]):
            w = tf.get_variable("w", [4, 3], initializer=tf.constant_initializer(0.25))
        with tf.colocate_with(w.op if not header["resource"] else w.handle.op):
            hidden = tf.nn.softplus(tf.matmul(x, w), name="hidden")
        mixed = tf.transpose(hidden, [1, 0])[1:, ::2] + tf.cast(tf.rank(x), tf.float32)
        y = tf.reduce_sum(mixed, axis=[-1], keepdims=True, name="y")
        tf.summary.scalar("mean", tf.reduce_mean(y))
        tf.argmax(y, 0, output_type=tf.int32, name="best")
        tf.train.MomentumOptimizer(0.1, 0.9).minimize(tf.reduce_mean(y), name="train")
        tf.global_variables_initializer()
        if header.get("loop"):
            tf.while_loop(lambda i: i < 3, lambda i: i + 1, [tf.constant(0)])
    if header.get("v1_loop"):
        tf.disable_control_flow_v2()
        with graph.as_default():
            tf.while_loop(lambda i: i < 3, lambda i: i + 1, [tf.constant(0)])
        tf.enable_control_flow_v2()
    return {}, [graph.as_graph_def(add_shapes=header.get("shapes", True)).SerializeToString()]


COMMANDS = {"foreign": foreign, "load": load, "run": run, "close": close, "same": same}

while True:
    header, blobs = read_frame()
    if header is None:
        break
    try:
        reply, out = COMMANDS[header["command"]](header, blobs)
    except Exception as error:  # all of them are the caller's to judge
        reply, out = {"error": f"{type(error).__name__}: {error}"[:2000]}, []
    write_frame(reply, out)
