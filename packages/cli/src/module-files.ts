import { existsSync, realpathSync, rmSync, statSync } from 'node:fs';
import {
  builtinRegistry,
  type ConstantTable,
  decodeConstants,
  encodeConstants,
  isConstantsFile,
  type Module,
  moduleFromJson,
  PlacewrightError,
  parseJson,
  parseModule,
  printModule,
} from '@placewright/ir';
import {
  checkWritable,
  isDevice,
  prepareWrite,
  readBytes,
  readStart,
  readText,
  writeAtomically,
} from './files.js';
import { isGraphDefFile, readGraphDef } from './graphdef-files.js';

/** Bytes that tell a constants file. */
const HEADER_BYTES = 12;

/** The file beside a text form that holds its large constants. */
export function constantsPath(path: string): string {
  return `${path}.constants`;
}

/**
 * Makes sure that a module's text can be written to the path, and its constants beside it, before anything long begins.
 * Throws PW_FILE_WRITE, also where a file that is not ours stands in the place of the constants: it would be read as
 * the text's.
 */
export function checkModuleWritable(path: string): void {
  checkWritable(path);
  if (isDevice(path)) return;
  const beside = constantsPath(path);
  checkOwn(path, beside);
  checkWritable(beside);
}

/** Throws PW_FILE_WRITE unless nothing, or a constants file, stands in the place of a text's constants. */
function checkOwn(path: string, beside: string): void {
  const status = statSync(beside, { throwIfNoEntry: false });
  if (status === undefined) return;
  if (status.isFile() && isConstantsFile(readStart(beside, HEADER_BYTES))) return;
  const what = status.isDirectory() ? 'a folder' : 'a file that is no constants file';
  throw new PlacewrightError('PW_FILE_WRITE', `${what} stands where the constants of ${path} would go`, {
    where: { file: beside },
    hint: 'move it away, or write the text under another name',
  });
}

/**
 * Writes a module's text, and its large constants beside it where it has any; gives the files written. At every moment
 * the text that stands there, the old one or the new, finds all of its constants. Throws PW_FILE_WRITE.
 */
export function writeModule(path: string, module: Module): string[] {
  const { text, constants } = printModule(module);
  if (isDevice(path)) return writeToDevice(path, text, constants);
  const beside = constantsPath(path);
  checkOwn(path, beside);
  const before = existingConstants(beside);
  // Constants have content hashes for names, so that those of the old text can stay with the new ones for a while.
  const both = new Map([...before, ...constants]);
  writeBoth(path, text, beside, both.size > before.size ? encodeConstants(both) : undefined);
  if (constants.size === 0) removeConstants(beside);
  else if (both.size > constants.size) writeAtomically(beside, encodeConstants(constants));
  return constants.size === 0 ? [path] : [path, beside];
}

/** The constants first, then the text; neither when one of them finds no room. */
function writeBoth(path: string, text: string, beside: string, constants: Uint8Array | undefined): void {
  const writes = constants === undefined ? [] : [prepareWrite(beside, constants)];
  try {
    writes.push(prepareWrite(path, text));
    for (const write of writes) write.commit();
  } finally {
    for (const write of writes) write.discard();
  }
}

function existingConstants(beside: string): ConstantTable {
  if (!existsSync(beside)) return new Map();
  const bytes = readBytes(beside);
  try {
    return decodeConstants(bytes, beside);
  } catch {
    // Damaged: no text can use it.
    return new Map();
  }
}

/** What a link leads to, and not the link, which is not ours. */
function removeConstants(beside: string): void {
  if (existsSync(beside)) rmSync(realpathSync(beside));
}

function writeToDevice(path: string, text: string, constants: ConstantTable): string[] {
  if (constants.size > 0) {
    throw new PlacewrightError('PW_FILE_WRITE', 'the text has large constants, which need a file beside it', {
      where: { file: path },
      hint: 'name a file',
    });
  }
  writeAtomically(path, text);
  return [path];
}

const NOT_JSON = {
  code: 'PW_JSON',
  message: 'the module is not JSON',
  hint: 'write it again with `placewright compile --json FILE`',
};

/** A module of a text, JSON or GraphDef file. Throws PW_FILE_READ, PW_PARSE_*, PW_JSON, PW_CONSTANTS, PW_GRAPHDEF_*. */
export function readModule(file: string): Module {
  if (isGraphDefFile(file)) return readGraphDef(file);
  const text = readText(file);
  if (file.endsWith('.json'))
    return moduleFromJson(parseJson(text, { ...NOT_JSON, file }), { file, registry: builtinRegistry });
  return parseModule(text, {
    file,
    registry: builtinRegistry,
    constants: readConstants(constantsPath(file)),
  });
}

function readConstants(path: string): ConstantTable {
  return existsSync(path) ? decodeConstants(readBytes(path), path) : new Map();
}
