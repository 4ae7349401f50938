"""One TensorFlow server of a cluster, started and watched by Placewright.

The first line on stdin is a JSON object with the fields of `Spec` below. The end of stdin, or the end of the process
that started it, ends this one, whatever it is doing. Events go to stdout, one JSON object a line; logs go to stderr.
"""
import json
import os
import sys
import threading

SIGKILL = 9
PR_SET_PDEATHSIG = 1

# What TensorFlow prints on stdout must not come between the events.
events = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)


def tell(event, **fields):
    try:
        events.write(json.dumps({"event": event, **fields}) + "\n")
    except OSError:
        os._exit(0)


def fail(kind, message):
    tell("failed", kind=kind, message=str(message)[:4000])
    os._exit(3)


def end_with_parent(parent):
    """A stopped process cannot see its stdin end; on Linux the kernel ends it with its parent all the same."""
    if sys.platform.startswith("linux"):
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)
    if hasattr(os, "getppid") and os.getppid() != parent:
        os._exit(0)


def end_with_stdin():
    while os.read(0, 65536):
        pass
    os._exit(0)


def read_line():
    """Byte by byte, so that nothing is buffered away from `end_with_stdin`."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            os._exit(0)
        line += byte
    return line


def session_config(tf, spec):
    config = tf.ConfigProto(device_count={"CPU": spec["cpus"], "GPU": len(spec["gpus"])})
    config.allow_soft_placement = False
    if spec["threads"]:
        config.intra_op_parallelism_threads = spec["threads"]
    config.gpu_options.allow_growth = True
    if spec["gpus"]:
        config.gpu_options.visible_device_list = ",".join(map(str, spec["gpus"]))
    # The first worker leads collectives: it hands out the keys by which members find each other.
    config.experimental.collective_group_leader = spec["leader"]
    return config


def start(tf, spec):
    try:
        return tf.distribute.Server(
            tf.train.ClusterSpec(spec["cluster"]),
            job_name=spec["job"],
            task_index=spec["task"],
            config=session_config(tf, spec),
        )
    except Exception as error:  # whatever TensorFlow throws, the one who waits must be told
        return fail("server", error)


def main():
    spec = json.loads(read_line())
    end_with_parent(spec["parent"])
    threading.Thread(target=end_with_stdin, daemon=True).start()
    if not spec["gpus"]:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    tell("importing")
    try:
        import tensorflow.compat.v1 as tf
    except Exception as error:
        return fail("import", error)
    import loopback

    port = spec["port"]
    if spec["loopback"]:
        loopback.bind_to_loopback()
    server = start(tf, spec)
    open_addresses = loopback.open_addresses(port)
    if spec["loopback"] and open_addresses:
        return fail("exposed", ", ".join(open_addresses))
    tell("started", version=tf.__version__, target=server.target)
    server.join()


main()
