import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readReply } from '../src/client/channel.js';
import { DTYPE_NUMBERS, decodeTensor, encodeTensor } from '../src/proto/tensor.js';
import { intField, joinParts, messageField, type Parts } from '../src/proto/wire.js';
import { anyTensor, exactly, WORKER } from './support/values.js';

/** A copy in memory of its own, the message `shift` bytes into it. */
function messageAt(parts: Parts, shift = 0): Uint8Array {
  const message = joinParts(parts);
  const memory = new Uint8Array(message.length + shift);
  memory.set(message, shift);
  return memory.subarray(shift);
}

const codeOf = (bytes: Uint8Array): string => {
  try {
    readReply(WORKER, 'RunStep', bytes, decodeTensor);
    return 'read';
  } catch (error) {
    return (error as { code?: string }).code ?? `no code: ${error}`;
  }
};

const dims = (...sizes: (number | bigint)[]): Parts =>
  messageField(
    2,
    sizes.flatMap((size) => messageField(2, intField(1, size))),
  );
const dtype = (number: number): Parts => intField(1, number);
const content = (...bytes: number[]): Parts => messageField(4, [Uint8Array.from(bytes)]);

describe('a tensor', () => {
  test('is read as it was sent, to the bit, wherever its message lies', () => {
    fc.assert(
      fc.property(anyTensor, fc.integer({ min: 0, max: 9 }), (value, shift) => {
        const read = decodeTensor(messageAt(encodeTensor(value), shift));
        expect(exactly(read)).toEqual(exactly(value));
      }),
      { seed: 1 },
    );
  });

  test('of many elements is a view of its message, at every address, and leaves what lies beside it', () => {
    for (const type of ['float32', 'float64', 'int64', 'uint8'] as const) {
      for (let shift = 0; shift < 9; shift++) {
        const data =
          type === 'int64'
            ? BigInt64Array.from({ length: 999 }, (_, i) => BigInt(i) - 5n)
            : type === 'float32'
              ? Float32Array.from({ length: 2999 }, (_, i) => i / 3)
              : type === 'float64'
                ? Float64Array.from({ length: 999 }, (_, i) => i / 3)
                : Uint8Array.from({ length: 9999 }, (_, i) => i);
        const value = { dtype: type, shape: [data.length], data };
        const message = messageAt([Uint8Array.of(7), ...encodeTensor(value), Uint8Array.of(8)], shift);
        const read = decodeTensor(message.subarray(1, -1));
        expect(read.data, `${type} at ${shift}`).toEqual(data);
        expect(read.data.buffer).toBe(message.buffer);
        expect([message[0], message.at(-1)]).toEqual([7, 8]);
      }
    }
  });

  test('is sent without copying its elements', () => {
    const data = Float32Array.of(1, 2, 3);
    const parts = encodeTensor({ dtype: 'float32', shape: [3], data });
    expect(parts.some((part) => part.buffer === data.buffer)).toBe(true);
  });

  test.each([
    ['a text', { dtype: 'string' as const, shape: [], data: new Uint8Array(1) }],
    ['data that do not fill the shape', { dtype: 'int32' as const, shape: [3], data: new Int32Array(2) }],
  ])('is not sent when it is %s', (_, value) => {
    expect(() => encodeTensor(value)).toThrow(expect.objectContaining({ code: 'PW_CLUSTER_FEED' }));
  });

  test('as numbers is spread over its shape, the last one repeated', () => {
    const numbers = messageField(5, [new Uint8Array(Float32Array.of(1, 2).buffer)]);
    expect(decodeTensor(joinParts([...dtype(1), ...dims(4), ...numbers])).data).toEqual(
      Float32Array.of(1, 2, 2, 2),
    );
    const longs = intField(10, -3);
    expect(decodeTensor(joinParts([...dtype(9), ...dims(2), ...longs])).data).toEqual(
      BigInt64Array.of(-3n, -3n),
    );
    const half = intField(13, 0x3c00);
    expect(decodeTensor(joinParts([...dtype(19), ...half])).data).toEqual(Float32Array.of(1));
    expect(decodeTensor(joinParts([...dtype(1), ...dims(2)])).data).toEqual(new Float32Array(2));
  });
});

describe('a tensor that lies', () => {
  const F = DTYPE_NUMBERS.float32;
  test.each<[string, Parts]>([
    ['has no type', [...dims(1), ...content(0, 0, 0, 0)]],
    ['is of texts', [...dtype(7), ...content(0)]],
    ['is of a type that no fetch has', [...dtype(8), ...content(0)]],
    ['has too few bytes', [...dtype(F), ...dims(2), ...content(0, 0, 0, 0)]],
    ['has too many bytes', [...dtype(F), ...content(0, 0, 0, 0, 0, 0, 0, 0)]],
    ['has bytes for no elements', [...dtype(F), ...dims(0), ...content(0, 0, 0, 0)]],
    ['has a negative dimension', [...dtype(F), ...dims(-1), ...content(0, 0, 0, 0)]],
    ['has a huge dimension', [...dtype(F), ...dims(2n ** 62n), ...content(0, 0, 0, 0)]],
    ['has dimensions whose product is huge', [...dtype(F), ...dims(2 ** 30, 2 ** 30)]],
    ['repeats a number without end', [...dtype(F), ...dims(2 ** 30)]],
    ['has more numbers than elements', [...dtype(3), ...dims(1), ...intField(7, 1), ...intField(7, 2)]],
    [
      'has a shape of unknown rank',
      [...dtype(F), ...messageField(2, intField(3, 1)), ...content(0, 0, 0, 0)],
    ],
    ['has bools of 2', [...dtype(10), ...content(2)]],
    ['has a type of the wrong wire type', messageField(1, [Uint8Array.of(1)])],
    ['has a shape of the wrong wire type', [...dtype(F), ...intField(2, 1)]],
    ['has more dimensions than there can be', [...dtype(F), ...dims(...Array(300).fill(1))]],
    ['ends in the middle', [joinParts([...dtype(F), ...content(0, 0, 0, 0)]).subarray(0, -2)]],
    ['says that it goes on', [Uint8Array.of(8, 1, 0x22, 0xff, 0xff, 0xff, 0xff, 0x07)]],
    ['ends in the middle of a float', [...dtype(F), Uint8Array.of(0x2d, 0, 0)]],
    ['ends in the middle of a packed float', [...dtype(F), ...messageField(5, [Uint8Array.of(0, 0)])]],
    ['nests groups without end', [new Uint8Array(5000).fill(0xfb)]],
  ])('is refused: it %s', (_, parts) => {
    expect(codeOf(joinParts(parts))).toBe('PW_CLUSTER_REPLY');
  });

  test('never does anything but be read or be refused, cut or changed anywhere', () => {
    fc.assert(
      fc.property(
        anyTensor,
        fc.nat(),
        fc.uint8Array({ maxLength: 6 }),
        fc.boolean(),
        (value, at, bytes, cut) => {
          const message = messageAt(encodeTensor(value));
          const place = at % (message.length + 1);
          if (cut) expect(codeOf(message.subarray(0, place))).toMatch(/^(read|PW_CLUSTER_REPLY)$/);
          message.set(bytes.subarray(0, message.length - place), place);
          expect(codeOf(message)).toMatch(/^(read|PW_CLUSTER_REPLY)$/);
        },
      ),
      { seed: 2, numRuns: 400 },
    );
  });

  test('of nothing but noise is read or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        expect(codeOf(bytes)).toMatch(/^(read|PW_CLUSTER_REPLY)$/);
      }),
      { seed: 3, numRuns: 1000 },
    );
  });
});
