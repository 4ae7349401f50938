/**
 * The messages of a GraphDef as values, with TensorFlow's field names in camel case. Fields that nothing here reads are
 * left out; they are kept where a message is decoded and encoded again.
 */
export interface GraphDef {
  readonly node: readonly NodeDef[];
  readonly library?: FunctionDefLibrary;
  readonly versions?: VersionDef;
}

export interface VersionDef {
  readonly producer: number;
  readonly minConsumer: number;
}

export interface NodeDef {
  readonly name: string;
  readonly op: string;
  /** `node`, `node:1`, and behind these `^node` for control edges. */
  readonly input: readonly string[];
  readonly device: string;
  readonly attr: readonly AttrEntry[];
}

export interface AttrEntry {
  readonly key: string;
  readonly value?: AttrValue;
}

/** One value; `undefined` where the file has none, or a kind that is newer than this. */
export interface AttrValue {
  readonly value: AttrCase;
}

export type AttrCase =
  | { readonly case: 's'; readonly value: Uint8Array }
  | { readonly case: 'i'; readonly value: bigint }
  | { readonly case: 'f'; readonly value: number }
  | { readonly case: 'b'; readonly value: boolean }
  | { readonly case: 'type'; readonly value: number }
  | { readonly case: 'shape'; readonly value: TensorShape }
  | { readonly case: 'tensor'; readonly value: TensorProto }
  | { readonly case: 'list'; readonly value: ListValue }
  | { readonly case: 'func'; readonly value: NameAttrList }
  | { readonly case: 'placeholder'; readonly value: string }
  | { readonly case: undefined; readonly value?: undefined };

export interface ListValue {
  readonly s: readonly Uint8Array[];
  readonly i: readonly bigint[];
  readonly f: readonly number[];
  readonly b: readonly boolean[];
  readonly type: readonly number[];
  readonly shape: readonly TensorShape[];
  readonly tensor: readonly TensorProto[];
  readonly func: readonly NameAttrList[];
}

export interface NameAttrList {
  readonly name: string;
  readonly attr: readonly AttrEntry[];
}

export interface TensorShape {
  /** A size of −1 is not known. */
  readonly dim: readonly { readonly size: bigint }[];
  readonly unknownRank: boolean;
}

export interface TensorProto {
  readonly dtype: number;
  readonly tensorShape?: TensorShape;
  readonly tensorContent: Uint8Array;
  readonly floatVal: readonly number[];
  readonly doubleVal: readonly number[];
  readonly intVal: readonly number[];
  readonly int64Val: readonly bigint[];
  readonly boolVal: readonly boolean[];
  readonly halfVal: readonly number[];
  readonly stringVal: readonly Uint8Array[];
}

export interface FunctionDefLibrary {
  readonly function: readonly FunctionDef[];
  readonly gradient: readonly unknown[];
}

export interface FunctionDef {
  readonly signature?: OpDef;
  readonly nodeDef: readonly NodeDef[];
  /** Outputs: the name in the signature, and the tensor `node:output:0` of the body. */
  readonly ret: readonly { readonly key: string; readonly value: string }[];
}

export interface OpDef {
  readonly name: string;
  readonly inputArg: readonly ArgDef[];
  readonly outputArg: readonly ArgDef[];
}

export interface ArgDef {
  readonly name: string;
  readonly type: number;
}
