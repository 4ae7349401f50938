import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { PlacewrightError } from '@placewright/ir';

/**
 * Messages as lists of pieces, so that the bytes of a tensor stay where they are until the whole message is written
 * once, by `writable`. Numbers of fields stand where messages are written and read; there is no schema.
 */
export type Parts = readonly Uint8Array[];

export function sizeOf(parts: Parts): number {
  let size = 0;
  for (const part of parts) size += part.byteLength;
  return size;
}

/** A message that is written to where it is wanted, instead of being put together first. */
export interface Writable {
  readonly length: number;
  /** Writes all bytes into `target` from `start` on. */
  copy(target: Uint8Array, start?: number): number;
}

/** The pieces as one message. To write it is the one copy that a request costs. */
export function writable(parts: Parts): Writable {
  const length = sizeOf(parts);
  return {
    length,
    copy(target, start = 0) {
      let at = start;
      for (const part of parts) {
        target.set(part, at);
        at += part.byteLength;
      }
      return length;
    },
  };
}

/** The pieces in one. */
export function joinParts(parts: Parts): Buffer {
  const message = writable(parts);
  const whole = Buffer.allocUnsafe(message.length);
  message.copy(whole);
  return whole;
}

/** A field that holds a message, or bytes. */
export function messageField(field: number, body: Parts): Parts {
  const head = new BinaryWriter().tag(field, WireType.LengthDelimited).uint32(sizeOf(body)).finish();
  return [head, ...body];
}

/** A field of text; none for the empty text, which is the default. */
export function textField(field: number, text: string): Parts {
  if (text === '') return [];
  return [new BinaryWriter().tag(field, WireType.LengthDelimited).string(text).finish()];
}

/** A field of text that may be empty, as an element of a list is. */
export function textElement(field: number, text: string): Parts {
  return [new BinaryWriter().tag(field, WireType.LengthDelimited).string(text).finish()];
}

/** A whole number, of any of protobuf's integer types that is no zigzag; none for 0, which is the default. */
export function intField(field: number, value: number | bigint): Parts {
  if (BigInt(value) === 0n) return [];
  return [new BinaryWriter().tag(field, WireType.Varint).int64(value).finish()];
}

export function boolField(field: number, value: boolean): Parts {
  return intField(field, value ? 1 : 0);
}

/** A reply that is not what its type says. Callers add who sent it. */
export function badReply(fault: string): PlacewrightError {
  return new PlacewrightError('PW_CLUSTER_REPLY', fault);
}

/** How a field is read: the wire types that it may have, and what takes it from the reader. */
export interface FieldReader {
  readonly wire: readonly WireType[];
  readonly take: (reader: BinaryReader, wire: WireType) => void;
}

/** What is known of a message, by field number. Other fields are skipped. */
export type FieldReaders = Readonly<Record<number, FieldReader>>;

/** Reads a message into what the readers of its fields hold. Throws PW_CLUSTER_REPLY, and the library's own errors. */
export function readMessage(what: string, bytes: Uint8Array, fields: FieldReaders): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag();
    const field = Object.hasOwn(fields, number) ? fields[number] : undefined;
    if (field === undefined) reader.skip(wire, number);
    else if (field.wire.includes(wire)) field.take(reader, wire);
    else throw badReply(`field ${number} of ${what} has the wire type ${wire}`);
    // Fixed-size readers run past the end of a message without a word.
    if (reader.pos > reader.len) throw badReply(`${what} ends in the middle of field ${number}`);
  }
}

const delimited = [WireType.LengthDelimited];

/** A message or bytes, as a view. */
export function bytesReader(take: (bytes: Uint8Array) => void): FieldReader {
  return { wire: delimited, take: (reader) => take(reader.bytes()) };
}

export function textReader(take: (text: string) => void): FieldReader {
  return { wire: delimited, take: (reader) => take(reader.string()) };
}

/** An integer of 64 bits, signed. */
export function int64Reader(take: (value: bigint) => void): FieldReader {
  return { wire: [WireType.Varint], take: (reader) => take(BigInt(reader.int64())) };
}

/** An integer of at most 32 bits, or an enum. */
export function int32Reader(take: (value: number) => void): FieldReader {
  return { wire: [WireType.Varint], take: (reader) => take(reader.int32()) };
}

export function fixed64Reader(take: (value: bigint) => void): FieldReader {
  return { wire: [WireType.Bit64], take: (reader) => take(BigInt(reader.fixed64())) };
}

/** A list of numbers, packed into one field or not. `most` bounds how many are taken. */
export function numbersReader<T>(options: {
  readonly wire: WireType;
  readonly read: (reader: BinaryReader) => T;
  readonly into: T[];
  readonly most: number;
}): FieldReader {
  const { wire, read, into, most } = options;
  const take = (reader: BinaryReader): void => {
    if (into.length >= most) throw badReply(`a list of numbers has more than ${most}`);
    into.push(read(reader));
  };
  return {
    wire: [wire, WireType.LengthDelimited],
    take(reader, found) {
      if (found === wire) return take(reader);
      const packed = new BinaryReader(reader.bytes());
      while (packed.pos < packed.len) take(packed);
      if (packed.pos > packed.len) throw badReply('a list of numbers ends in the middle of one');
    },
  };
}
