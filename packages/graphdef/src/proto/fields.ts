/**
 * TensorFlow's messages that a GraphDef is made of, by the names and numbers of their fields: facts of the wire format,
 * which never change. `[number, type]`, with `*` behind the type of a repeated field, and the name of the oneof that a
 * field belongs to as a third. Maps are written as what they are on the wire, lists of entries, so that their keys,
 * which come from files, are never keys of objects. What is not named here is kept as unknown fields.
 */
export type FieldRow = readonly [number: number, type: string, oneof?: string];

const ATTRS: Readonly<Record<string, FieldRow>> = { key: [1, 'string'], value: [2, 'AttrValue'] };
const TEXT_PAIR: Readonly<Record<string, FieldRow>> = { key: [1, 'string'], value: [2, 'string'] };

export const MESSAGES: Readonly<Record<string, Readonly<Record<string, FieldRow>>>> = {
  GraphDef: {
    node: [1, 'NodeDef*'],
    library: [2, 'FunctionDefLibrary'],
    version: [3, 'int32'],
    versions: [4, 'VersionDef'],
  },
  VersionDef: { producer: [1, 'int32'], min_consumer: [2, 'int32'], bad_consumers: [3, 'int32*'] },
  NodeDef: {
    name: [1, 'string'],
    op: [2, 'string'],
    input: [3, 'string*'],
    device: [4, 'string'],
    attr: [5, 'AttrEntry*'],
    experimental_debug_info: [6, 'DebugInfo'],
    experimental_type: [7, 'FullTypeDef'],
  },
  AttrEntry: ATTRS,
  DebugInfo: { original_node_names: [1, 'string*'], original_func_names: [2, 'string*'] },
  FullTypeDef: {
    type_id: [1, 'FullTypeId'],
    args: [2, 'FullTypeDef*'],
    s: [3, 'string', 'attr'],
    i: [4, 'int64', 'attr'],
  },
  AttrValue: {
    list: [1, 'ListValue', 'value'],
    s: [2, 'bytes', 'value'],
    i: [3, 'int64', 'value'],
    f: [4, 'float', 'value'],
    b: [5, 'bool', 'value'],
    type: [6, 'DataType', 'value'],
    shape: [7, 'TensorShapeProto', 'value'],
    tensor: [8, 'TensorProto', 'value'],
    placeholder: [9, 'string', 'value'],
    func: [10, 'NameAttrList', 'value'],
  },
  ListValue: {
    s: [2, 'bytes*'],
    i: [3, 'int64*'],
    f: [4, 'float*'],
    b: [5, 'bool*'],
    type: [6, 'DataType*'],
    shape: [7, 'TensorShapeProto*'],
    tensor: [8, 'TensorProto*'],
    func: [9, 'NameAttrList*'],
  },
  NameAttrList: { name: [1, 'string'], attr: [2, 'AttrEntry*'] },
  TensorShapeProto: { dim: [2, 'Dim*'], unknown_rank: [3, 'bool'] },
  Dim: { size: [1, 'int64'], name: [2, 'string'] },
  TensorProto: {
    dtype: [1, 'DataType'],
    tensor_shape: [2, 'TensorShapeProto'],
    version_number: [3, 'int32'],
    tensor_content: [4, 'bytes'],
    float_val: [5, 'float*'],
    double_val: [6, 'double*'],
    int_val: [7, 'int32*'],
    string_val: [8, 'bytes*'],
    scomplex_val: [9, 'float*'],
    int64_val: [10, 'int64*'],
    bool_val: [11, 'bool*'],
    dcomplex_val: [12, 'double*'],
    half_val: [13, 'int32*'],
    uint32_val: [16, 'uint32*'],
    uint64_val: [17, 'uint64*'],
    float8_val: [18, 'bytes'],
  },
  FunctionDefLibrary: {
    function: [1, 'FunctionDef*'],
    gradient: [2, 'GradientDef*'],
  },
  GradientDef: { function_name: [1, 'string'], gradient_func: [2, 'string'] },
  FunctionDef: {
    signature: [1, 'OpDef'],
    node_def: [3, 'NodeDef*'],
    ret: [4, 'TextPair*'],
    attr: [5, 'AttrEntry*'],
    control_ret: [6, 'TextPair*'],
    arg_attr: [7, 'ArgAttrEntry*'],
    resource_arg_unique_id: [8, 'CountPair*'],
  },
  ArgAttrEntry: { key: [1, 'uint32'], value: [2, 'ArgAttrs'] },
  ArgAttrs: { attr: [1, 'AttrEntry*'] },
  CountPair: { key: [1, 'uint32'], value: [2, 'uint32'] },
  TextPair: TEXT_PAIR,
  OpDef: {
    name: [1, 'string'],
    input_arg: [2, 'ArgDef*'],
    output_arg: [3, 'ArgDef*'],
    attr: [4, 'AttrDef*'],
    summary: [5, 'string'],
    description: [6, 'string'],
    is_aggregate: [16, 'bool'],
    is_stateful: [17, 'bool'],
    is_commutative: [18, 'bool'],
    allows_uninitialized_input: [19, 'bool'],
    control_output: [20, 'string*'],
    is_distributed_communication: [21, 'bool'],
  },
  ArgDef: {
    name: [1, 'string'],
    description: [2, 'string'],
    type: [3, 'DataType'],
    type_attr: [4, 'string'],
    number_attr: [5, 'string'],
    type_list_attr: [6, 'string'],
    is_ref: [16, 'bool'],
    experimental_full_type: [17, 'FullTypeDef'],
  },
  AttrDef: {
    name: [1, 'string'],
    type: [2, 'string'],
    default_value: [3, 'AttrValue'],
    description: [4, 'string'],
    has_minimum: [5, 'bool'],
    minimum: [6, 'int64'],
    allowed_values: [7, 'AttrValue'],
  },
};

/** Element types by their numbers; that of a reference to one is 100 more. */
const ELEMENT_TYPES: Readonly<Record<string, number>> = {
  ...{ DT_FLOAT: 1, DT_DOUBLE: 2, DT_INT32: 3, DT_UINT8: 4, DT_INT16: 5, DT_INT8: 6, DT_STRING: 7 },
  ...{ DT_COMPLEX64: 8, DT_INT64: 9, DT_BOOL: 10, DT_QINT8: 11, DT_QUINT8: 12, DT_QINT32: 13 },
  ...{ DT_BFLOAT16: 14, DT_QINT16: 15, DT_QUINT16: 16, DT_UINT16: 17, DT_COMPLEX128: 18, DT_HALF: 19 },
  ...{ DT_RESOURCE: 20, DT_VARIANT: 21, DT_UINT32: 22, DT_UINT64: 23 },
  ...{ DT_FLOAT8_E5M2: 24, DT_FLOAT8_E4M3FN: 25, DT_FLOAT8_E4M3FNUZ: 26, DT_FLOAT8_E4M3B11FNUZ: 27 },
  ...{ DT_FLOAT8_E5M2FNUZ: 28, DT_INT4: 29, DT_UINT4: 30, DT_INT2: 31, DT_UINT2: 32 },
  ...{ DT_FLOAT4_E2M1FN: 33 },
};

const REFERENCE = 100;

export const ENUMS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  DataType: {
    DT_INVALID: 0,
    ...ELEMENT_TYPES,
    ...Object.fromEntries(
      Object.entries(ELEMENT_TYPES).map(([name, number]) => [`${name}_REF`, number + REFERENCE]),
    ),
  },
  /** What a resource or a variant holds. */
  FullTypeId: {
    ...{ TFT_UNSET: 0, TFT_VAR: 1, TFT_ANY: 2, TFT_PRODUCT: 3, TFT_NAMED: 4, TFT_FOR_EACH: 20 },
    ...{ TFT_CALLABLE: 100, TFT_BOOL: 200, TFT_UINT8: 201, TFT_UINT16: 202, TFT_UINT32: 203 },
    ...{ TFT_UINT64: 204, TFT_INT8: 205, TFT_INT16: 206, TFT_INT32: 207, TFT_INT64: 208, TFT_HALF: 209 },
    ...{ TFT_FLOAT: 210, TFT_DOUBLE: 211, TFT_COMPLEX64: 212, TFT_COMPLEX128: 213, TFT_STRING: 214 },
    ...{ TFT_BFLOAT16: 215, TFT_TENSOR: 1000, TFT_ARRAY: 1001, TFT_OPTIONAL: 1002, TFT_LITERAL: 1003 },
    ...{ TFT_ENCODED: 1004, TFT_SHAPE_TENSOR: 1005, TFT_DATASET: 10102, TFT_RAGGED: 10103 },
    ...{ TFT_ITERATOR: 10104, TFT_MUTEX_LOCK: 10202, TFT_LEGACY_VARIANT: 10203 },
  },
};
