import { create, type DescMessage, fromBinary, type Message, toBinary } from '@bufbuild/protobuf';
import { fromText, toText } from '@bufbuild/protobuf/txtpb';
import { type ErrorPlace, PlacewrightError } from '@placewright/ir';
import type { AttrValue, GraphDef } from './messages.js';
import { ATTR_VALUE, GRAPH_DEF } from './schema.js';

/** Protobuf's own limit of a message, which TensorFlow keeps. */
export const MAX_BYTES = 2 ** 31 - 1;

/** The library's messages are described at run time, so that only we know their types. */
const asMessage = (schema: DescMessage, value: object): Message => create(schema, value as never);

/** The bytes of a GraphDef. Throws PW_GRAPHDEF_SIZE above 2 GiB. */
export function encodeGraphDef(graph: GraphDef): Uint8Array<ArrayBuffer> {
  checkSize(constantBytes(graph));
  const bytes = toBinary(GRAPH_DEF, asMessage(GRAPH_DEF, graph));
  checkSize(bytes.length);
  return bytes;
}

/** A GraphDef in protobuf's text form, `.pbtxt`. Throws PW_GRAPHDEF_SIZE. */
export function printGraphDef(graph: GraphDef): string {
  // Constants take up to four characters a byte.
  checkSize(constantBytes(graph), MAX_BYTES / 8);
  return toText(GRAPH_DEF, asMessage(GRAPH_DEF, graph));
}

/** Bytes of the constants, which is nearly all that makes a file large. */
function constantBytes(graph: GraphDef): number {
  let bytes = 0;
  for (const { attr } of graph.node) {
    for (const { value } of attr) {
      if (value?.value.case === 'tensor') bytes += value.value.value.tensorContent.length;
    }
  }
  return bytes;
}

function checkSize(bytes: number, most = MAX_BYTES): void {
  if (bytes <= most) return;
  throw new PlacewrightError('PW_GRAPHDEF_SIZE', `the GraphDef would have ${bytes} bytes`, {
    hint: `at most ${Math.floor(most)} are possible: initialise large variables with random ops instead of constants, or write the binary form`,
  });
}

/** A GraphDef from its bytes. `file` is named in errors. Throws PW_GRAPHDEF_BINARY, PW_GRAPHDEF_SIZE. */
export function decodeGraphDef(bytes: Uint8Array, file?: string): GraphDef {
  checkSize(bytes.length);
  return guarded('PW_GRAPHDEF_BINARY', 'the bytes are no GraphDef', placeOf(file), () =>
    fromBinary(GRAPH_DEF, bytes),
  );
}

/** A GraphDef from its text form. Throws PW_GRAPHDEF_TEXT. */
export function parseGraphDef(text: string, file?: string): GraphDef {
  return guarded('PW_GRAPHDEF_TEXT', 'the text is no GraphDef', placeOf(file), () =>
    fromText(GRAPH_DEF, text.startsWith('\ufeff') ? text.slice(1) : text),
  );
}

/** An attribute's value as one piece of text, for kinds that the IR does not have. */
export function printAttrValue(value: AttrValue): string {
  return toText(ATTR_VALUE, asMessage(ATTR_VALUE, value)).trim();
}

/** Reads what `printAttrValue` wrote. Throws PW_GRAPHDEF_TEXT. */
export function parseAttrValue(text: string): AttrValue {
  return guarded('PW_GRAPHDEF_TEXT', 'the text is no value of an attribute', {}, () =>
    fromText(ATTR_VALUE, text),
  );
}

const placeOf = (file: string | undefined): ErrorPlace => (file === undefined ? {} : { file });

/** What a parser throws of a bad file: errors of the library and of the engine, down to a stack that is too deep. */
function guarded<T>(code: string, what: string, where: ErrorPlace, body: () => Message): T {
  try {
    return body() as unknown as T;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new PlacewrightError(code, `${what}: ${why.slice(0, 200)}`, {
      where,
      hint: 'the file is damaged or something else; write it again (`placewright compile --graphdef FILE`, or `tf.io.write_graph`)',
      cause,
    });
  }
}
