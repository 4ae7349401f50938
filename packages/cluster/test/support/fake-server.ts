import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import type { TaskAddress } from '../../src/addresses.js';
import { joinParts, messageField, type Parts, textField } from '../../src/proto/wire.js';

/** What a method answers: bytes, or an error; `null` for never. */
export type Answer = Parts | { readonly code: number; readonly details: string } | null;
export type Answers = Readonly<Record<string, (request: Buffer) => Answer>>;

const METHODS = {
  MasterService: [
    ...['CreateSession', 'ExtendSession', 'RunStep', 'CloseSession', 'ListDevices', 'Reset'],
    ...['MakeCallable', 'RunCallable', 'ReleaseCallable'],
  ],
  WorkerService: ['GetStatus'],
};

export interface FakeServer extends TaskAddress {
  /** What comes back from now on. */
  answers: Answers;
  /** Methods that were called. */
  readonly calls: string[];
  stop(): void;
}

/** A server in this process that says what a test wants it to. */
export async function fakeServer(answers: Answers, port = 0, index = 0): Promise<FakeServer> {
  const server = new Server({ 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 });
  const bytes = (message: Buffer): Buffer => message;
  const codec = { requestSerialize: bytes, requestDeserialize: bytes, responseSerialize: bytes };
  const calls: string[] = [];
  const handler =
    (name: string) =>
    ({ request }: ServerUnaryCall<Buffer, Buffer>, reply: sendUnaryData<Buffer>): void => {
      calls.push(name);
      const answer = fake.answers[name]?.(request);
      if (answer === undefined) reply({ code: status.UNIMPLEMENTED, details: name });
      else if (answer === null) return;
      else if ('code' in answer) reply(answer);
      else reply(null, joinParts(answer));
    };
  for (const [service, names] of Object.entries(METHODS)) {
    server.addService(
      Object.fromEntries(
        names.map((name) => [
          name,
          {
            ...{ path: `/tensorflow.${service}/${name}`, requestStream: false, responseStream: false },
            ...{ ...codec, responseDeserialize: bytes },
          },
        ]),
      ),
      Object.fromEntries(names.map((name) => [name, handler(name)])),
    );
  }
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, found) =>
      error === null ? resolve(found) : reject(error),
    );
  });
  const fake: FakeServer = {
    task: { job: 'worker', index },
    address: `127.0.0.1:${bound}`,
    answers,
    calls,
    stop: () => server.forceShutdown(),
  };
  return fake;
}

/** A CreateSessionResponse. */
export const SESSION: Parts = textField(1, 'a session');

/** A field of a RunStepResponse with a named tensor. */
export const named = (name: string, tensor: Parts): Parts =>
  messageField(1, [...textField(1, name), ...messageField(2, tensor)]);
