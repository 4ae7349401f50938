import { PlacewrightError, taskText } from '@placewright/ir';
import { describeTask, type TaskAddress } from '../addresses.js';

/** gRPC's status codes, as far as they are told apart. */
export const STATUS = {
  ok: 0,
  cancelled: 1,
  deadline: 4,
  exhausted: 8,
  aborted: 10,
  unavailable: 14,
} as const;

/** A call that failed: whom it was made to, what was called, and what came back. */
export interface FailedCall {
  readonly who: TaskAddress;
  /** `RunStep`. */
  readonly method: string;
  readonly status: number;
  /** What TensorFlow or gRPC says. */
  readonly text: string;
}

/** TensorFlow's texts run to pages where it lists devices and stacks. */
const MOST_TEXT = 2000;
const REMOTE_TASK = /\/job:([A-Za-z]\w*)\/replica:\d+\/task:(\d+)/;
const NODE = /\{\{node ([^{}]+)\}\}/;
const START = 'start its server again (`placewright cluster up`), and train on with --resume';

/** The error of a call that failed, by its status. */
export function callError(call: FailedCall): PlacewrightError {
  switch (call.status) {
    case STATUS.cancelled:
      return failed('PW_CLUSTER_CANCELLED', call, 'was called off', 'run it again');
    case STATUS.deadline:
      return failed('PW_CLUSTER_TIMEOUT', call, 'did not end in time', TIMEOUT_HINT);
    case STATUS.unavailable:
      return unavailable(call);
    case STATUS.aborted:
      return failed('PW_CLUSTER_ABORTED', call, 'was broken off', ABORTED_HINT);
    case STATUS.exhausted:
      return exhausted(call);
    default:
      return failed('PW_CLUSTER_REFUSED', call, 'was refused', REFUSED_HINT);
  }
}

const TIMEOUT_HINT = 'give it more time, or see in the logs of the servers what it waits for';
const ABORTED_HINT =
  'a server was started again since the session was made: make a new one, from a checkpoint';
const REFUSED_HINT =
  'the text is TensorFlow\u2019s own: the graph, or what it was fed, is not what the servers can run';

/** One of them is gone: the one that was called, or another that this one could not reach. */
function unavailable(call: FailedCall): PlacewrightError {
  const [, job, index] = REMOTE_TASK.exec(call.text) ?? [];
  const other = job === undefined ? undefined : { job, index: Number(index) };
  if (other === undefined || taskText(other) === taskText(call.who.task)) {
    return failed('PW_CLUSTER_UNAVAILABLE', call, 'found nobody', START);
  }
  return failed('PW_CLUSTER_UNAVAILABLE', call, `did not reach ${taskText(other)}`, START);
}

/** Out of memory there, or a message that is larger than we take. */
function exhausted(call: FailedCall): PlacewrightError {
  if (/message larger than max|larger than max/i.test(call.text)) {
    const hint = 'fetch less in one step, or allow more with `maxMessageBytes`';
    return failed('PW_CLUSTER_MESSAGE_SIZE', call, 'has too large a message', hint);
  }
  const hint = 'take a smaller batch, fewer towers on each task, or machines with more memory';
  return failed('PW_CLUSTER_MEMORY', call, 'ran out of a resource', hint);
}

function failed(code: string, call: FailedCall, what: string, hint: string): PlacewrightError {
  const text = call.text.length > MOST_TEXT ? `${call.text.slice(0, MOST_TEXT)} …` : call.text;
  const said = text === '' ? '' : `: ${text}`;
  const node = NODE.exec(call.text)?.[1];
  return new PlacewrightError(code, `${call.method} on ${describeTask(call.who)} ${what}${said}`, {
    hint,
    ...(node === undefined ? {} : { where: { node: node.slice(0, 200) } }),
  });
}

/** The error of a reply that cannot be read. */
export function replyError(who: TaskAddress, method: string, cause: unknown): PlacewrightError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new PlacewrightError(
    'PW_CLUSTER_REPLY',
    `the reply of ${describeTask(who)} to ${method} cannot be read: ${why.slice(0, 300)}`,
    {
      hint: 'is that a TensorFlow server of a version that was tested? `placewright cluster up` starts one',
      cause,
    },
  );
}
