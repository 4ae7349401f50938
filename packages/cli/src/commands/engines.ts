import { engines as allEngines, type Engine, type EngineProbe, findEngine } from '@placewright/runtime';
import type { Command } from 'commander';
import { type Io, type Output, printJson, printLine } from '../io.js';
import { formatTable, hanging, wrap } from '../ui/table.js';
import { type CommandContext, createCommand } from './command.js';

interface Flags {
  readonly json?: boolean;
  readonly ops?: boolean;
}

/** `placewright engines [name]`. */
export function enginesCommand({ io }: CommandContext): Command {
  return createCommand('engines', 'list the engines: what is there, what is missing, and how to get it', [
    ['placewright engines', 'what can run here'],
    ['placewright engines --ops', 'how each engine runs each op'],
    ['placewright engines embedded --json', 'one engine as JSON'],
  ])
    .argument('[name]', 'an engine')
    .option('--ops', 'list for every op how each engine runs it')
    .option('--json', 'print JSON')
    .action(async (name: string | undefined, flags: Flags) => {
      const engines = name === undefined ? allEngines : [findEngine(name)];
      const found = await Promise.all(
        engines.map(async (engine) => ({ engine, probe: await engine.probe() })),
      );
      if (flags.json)
        printJson(io.stdout, { engines: found.map((each) => describe(each, flags.ops === true)) });
      else if (flags.ops) printLine(io.stdout, opsTable(engines, io.stdout));
      else printEngines(io, found);
    });
}

interface Found {
  readonly engine: Engine;
  readonly probe: EngineProbe;
}

function describe({ engine, probe }: Found, ops: boolean) {
  const { name, summary } = engine;
  return { name, summary, ...probe, ...(ops ? { ops: engine.ops() } : {}) };
}

function printEngines(io: Io, found: readonly Found[]): void {
  const { columns } = io.stdout;
  const blocks = found.map(({ engine, probe }) =>
    [
      wrap(`${engine.name}: ${engine.summary}`, columns, '  '),
      `  ${probe.available ? 'ready' : 'not available'}${probe.version === undefined ? '' : `, ${probe.version}`}`,
      ...probe.details.flatMap(({ name, status, how }) => [
        `  ${status === 'available' ? '✓' : '✗'} ${name}${status === 'available' ? '' : ': missing'}`,
        ...(how === undefined ? [] : [hanging('      ', how, columns)]),
      ]),
    ].join('\n'),
  );
  printLine(io.stdout, blocks.join('\n\n'));
}

/** One row an op, one column an engine. */
function opsTable(engines: readonly Engine[], { columns }: Output): string {
  const tables = engines.map((engine) => new Map(engine.ops().map(({ op, how }) => [op, how])));
  const ops = [...new Set(tables.flatMap((table) => [...table.keys()]))].sort();
  return formatTable(
    [
      { title: 'op', text: (op: string) => op },
      ...engines.map(({ name }, i) => ({
        title: name,
        text: (op: string) => tables[i]?.get(op) ?? 'not known',
      })),
    ],
    ops,
    columns,
  );
}
