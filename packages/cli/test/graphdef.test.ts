import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { decodeGraphDef, parseGraphDef } from '@placewright/graphdef';
import { moduleFromJson, printModule } from '@placewright/ir';
import { describe, expect, it } from 'vitest';
import { readModule } from '../src/module-files.js';
import { json, placewright, temporaryFolder } from './support.js';

const at = temporaryFolder();

/** Compiles tiny into a GraphDef of that name. */
async function compiled(name: string, ...flags: string[]) {
  const outcome = await placewright(
    ...['compile', '--model', 'tiny', '--strategy', 'replicated', '--reduction', 'mean', '--num-gpus', '2'],
    ...['--graphdef', at(name), ...flags],
  );
  return { ...outcome, file: at(name) };
}

describe('placewright compile --graphdef', () => {
  it('writes a GraphDef and what belongs to it, and says so', async () => {
    const { code, out, err, file } = await compiled('a.pb', '--json', at('a.json'));
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain(`wrote ${file}\nwrote ${file}.json\n`);
    const { node } = decodeGraphDef(readFileSync(file));
    expect(node.map(({ op }) => op)).toEqual(expect.arrayContaining(['VarHandleOp', 'NcclAllReduce']));
    const sidecar = JSON.parse(readFileSync(`${file}.json`, 'utf8'));
    expect(Object.keys(sidecar.entries).sort()).toEqual(['eval', 'init', 'postInit', 'step']);
    // Both files together are the module.
    const whole = moduleFromJson(JSON.parse(readFileSync(at('a.json'), 'utf8')));
    expect(printModule(readModule(file)).text).toBe(printModule(whole).text);
  });

  it('writes the text form where the name asks for it', async () => {
    const { file } = await compiled('a.pbtxt');
    expect(readFileSync(file, 'utf8')).toMatch(/^node: \{\n {2}name: "/);
    expect(parseGraphDef(readFileSync(file, 'utf8')).versions?.producer).toBe(1882);
  });

  it('refuses other names, and names that are taken, before anything long begins', async () => {
    expect(await compiled('a.txt')).toMatchObject({
      code: 1,
      err: expect.stringContaining('PW_OPTION_VALUE'),
    });
    expect(await compiled('b.pb', '--out', at('b.pb'))).toMatchObject({
      code: 1,
      err: expect.stringContaining('PW_FILE_SAME'),
    });
    mkdirSync(at('c.pb.json'));
    const blocked = await compiled('c.pb');
    expect(blocked).toMatchObject({ code: 1, err: expect.stringContaining('PW_FILE_WRITE') });
    expect(existsSync(blocked.file)).toBe(false);
  });
});

describe('placewright verify of a GraphDef', () => {
  it('checks the module that it is, and without what stands beside it the graph alone', async () => {
    const { file } = await compiled('v.pb');
    const whole = await json<{ valid: boolean; checked: string[] }>('verify', file, '--json');
    expect(whole.valid).toBe(true);
    expect(whole.checked).toContain('no-race');
    renameSync(`${file}.json`, at('moved.json'));
    const alone = await json<{ valid: boolean; checked: string[] }>('verify', file, '--json');
    expect(alone.valid).toBe(true);
    expect(alone.checked).not.toContain('no-race');
  });

  it('says what is wrong with it, and with what stands beside it', async () => {
    const { file } = await compiled('w.pb');
    writeFileSync(at('cut.pb'), readFileSync(file).subarray(0, 2000));
    const cut = await placewright('verify', at('cut.pb'));
    expect(cut).toMatchObject({ code: 1, err: expect.stringContaining('error[PW_GRAPHDEF_BINARY]') });
    expect(cut.err).toContain(at('cut.pb'));
    writeFileSync(`${file}.json`, '{');
    expect((await placewright('verify', file)).err).toContain('error[PW_GRAPHDEF_SIDECAR]');
    const other = await compiled('x.pb', '--optimizer', 'sgd');
    writeFileSync(`${file}.json`, readFileSync(`${other.file}.json`));
    const mixed = await placewright('verify', file);
    expect(mixed.err).toContain(
      'error[PW_GRAPHDEF_SIDECAR]: the description beside the GraphDef does not fit',
    );
    writeFileSync(`${other.file}.json`, JSON.stringify({ format: 'placewright-graphdef' }));
    expect((await placewright('verify', other.file)).err).toContain('lacks "version"');
  });
});
