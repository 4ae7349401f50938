import type { Cluster, EditResult, Module, OpRegistry, TaskName } from '@placewright/ir';

/** Value of a pass's option. */
export type OptionValue = string | number | boolean | readonly string[];

/** One option of a pass, as help, documents and the command line show it. */
export interface OptionDecl<V extends OptionValue = OptionValue> {
  readonly summary: string;
  readonly default: V;
  /** Allowed values, where there are few. */
  readonly oneOf?: readonly V[];
}

export type PassOptions = Readonly<Record<string, OptionValue>>;
export type OptionDecls<O extends PassOptions> = { readonly [K in keyof O]: OptionDecl<O[K]> };

/** What a pass may look at beside the module. */
export interface PassContext {
  readonly registry: OpRegistry;
  readonly cluster: Cluster;
  /** The task that is compiled for: `{ job: '', index: 0 }` on a local cluster. */
  readonly task: TaskName;
}

/**
 * A compiler pass: a plain function from module to module, with what help, the manager and the verifier need to know.
 * It sees its options, never a strategy's name. The manager, not the pass, verifies, times, prints and records.
 */
export interface Pass<O extends PassOptions = PassOptions> {
  readonly name: string;
  readonly summary: string;
  readonly options: OptionDecls<O>;
  /** Invariants that must have been established before it. */
  readonly requires: readonly string[];
  /** Invariants that hold from here on. */
  readonly establishes: readonly string[];
  /** Established invariants that it keeps; `all` for every one. */
  readonly preserves: 'all' | readonly string[];
  readonly run: (module: Module, options: O, context: PassContext) => EditResult;
}

/** A pass with chosen options, ready for a pipeline. */
export interface PassCall {
  readonly pass: Pass;
  readonly options: PassOptions;
  /** Invariants that hold from here on by the strategy's contract, beside those that the pass always establishes. */
  readonly promises?: readonly string[];
}

/** Declares a pass; its options are typed in `run`. */
export function definePass<O extends PassOptions>(pass: Pass<O>): Pass<O> {
  return pass;
}

/** A pass with options, those left out at their defaults. */
export function callPass<O extends PassOptions>(pass: Pass<O>, options: Partial<O> = {}): PassCall {
  const complete: Record<string, OptionValue> = {};
  for (const [name, decl] of Object.entries<OptionDecl>(pass.options))
    complete[name] = options[name] ?? decl.default;
  return { pass: pass as unknown as Pass, options: complete };
}
