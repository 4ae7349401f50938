import { existsSync } from 'node:fs';
import {
  decodeGraphDef,
  encodeGraphDef,
  fromGraphDef,
  type GraphSidecar,
  parseGraphDef,
  printGraphDef,
  printSidecar,
  sidecarFromJson,
  toGraphDef,
} from '@placewright/graphdef';
import { builtinRegistry, type Module, parseJson } from '@placewright/ir';
import { checkWritable, isDevice, prepareWrite, readBytes, readText } from './files.js';
import { badValue } from './options/values.js';

const TEXT_END = '.pbtxt';
const BINARY_END = '.pb';

/** Whether a file's name is that of a GraphDef. */
export function isGraphDefFile(path: string): boolean {
  return path.endsWith(TEXT_END) || path.endsWith(BINARY_END);
}

/** The file beside a GraphDef that says what the graph itself cannot. */
export function sidecarPath(path: string): string {
  return `${path}.json`;
}

/** Throws PW_OPTION_VALUE, PW_FILE_WRITE unless a GraphDef and its sidecar can be written there. */
export function checkGraphDefWritable(path: string): void {
  if (!isGraphDefFile(path) || isDevice(path)) {
    throw badValue(
      '--graphdef',
      path,
      `name a file that ends in ${BINARY_END}, or in ${TEXT_END} for the text form`,
    );
  }
  checkWritable(path);
  checkWritable(sidecarPath(path));
}

/** Writes a module as a GraphDef, by the name's end in binary or as text, with its sidecar. Throws PW_GRAPHDEF_*, PW_FILE_WRITE. */
export function writeGraphDef(path: string, module: Module): string[] {
  const { graph, sidecar } = toGraphDef(module);
  const data = path.endsWith(TEXT_END) ? printGraphDef(graph) : encodeGraphDef(graph);
  const beside = sidecarPath(path);
  const writes = [prepareWrite(beside, printSidecar(sidecar))];
  try {
    writes.push(prepareWrite(path, data));
    for (const write of writes) write.commit();
  } finally {
    for (const write of writes) write.discard();
  }
  return [path, beside];
}

/** A module of a GraphDef, with what stands beside it. Throws PW_GRAPHDEF_*, PW_FILE_READ. */
export function readGraphDef(file: string): Module {
  const graph = file.endsWith(TEXT_END)
    ? parseGraphDef(readText(file), file)
    : decodeGraphDef(readBytes(file), file);
  const sidecar = readSidecar(sidecarPath(file));
  return fromGraphDef(graph, { file, registry: builtinRegistry, name: file, ...(sidecar && { sidecar }) });
}

function readSidecar(file: string): GraphSidecar | undefined {
  if (!existsSync(file)) return undefined;
  const fault = {
    code: 'PW_GRAPHDEF_SIDECAR',
    message: 'the description beside the GraphDef is not JSON',
    hint: 'write both again with `placewright compile --graphdef FILE`, or move it away',
    file,
  };
  return sidecarFromJson(parseJson(readText(file), fault), file);
}
