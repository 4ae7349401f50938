import { create, createFileRegistry, type DescMessage } from '@bufbuild/protobuf';
import {
  type FieldDescriptorProtoSchema,
  FileDescriptorProtoSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from '@bufbuild/protobuf/wkt';
import { ENUMS, type FieldRow, MESSAGES } from './fields.js';

// TensorFlow's messages are described to the protobuf library at run time, by field names and numbers, instead of by
// generated code: these few lines of facts are all that there is to keep. The library is the one that ONNX models are
// written with already; it reads and writes the binary and the text form, keeps unknown fields, and bounds recursion.

type MessageInit<S> = S extends { readonly typeName: string }
  ? Parameters<typeof create<S & DescMessage>>[1]
  : never;
type FieldInit = NonNullable<MessageInit<typeof FieldDescriptorProtoSchema>>;

const PACKAGE = 'tensorflow';

const SCALARS: Readonly<Record<string, Type>> = {
  bool: Type.BOOL,
  bytes: Type.BYTES,
  double: Type.DOUBLE,
  float: Type.FLOAT,
  int32: Type.INT32,
  int64: Type.INT64,
  string: Type.STRING,
  uint32: Type.UINT32,
  uint64: Type.UINT64,
};

function fieldInit(name: string, [number, spec, oneof]: FieldRow, oneofs: readonly string[]): FieldInit {
  const repeated = spec.endsWith('*');
  const type = repeated ? spec.slice(0, -1) : spec;
  const scalar = SCALARS[type];
  return {
    name,
    number,
    jsonName: camelCase(name),
    label: repeated ? Label.REPEATED : Label.OPTIONAL,
    type: scalar ?? (type in ENUMS ? Type.ENUM : Type.MESSAGE),
    ...(scalar === undefined ? { typeName: `.${PACKAGE}.${type}` } : {}),
    ...(oneof === undefined ? {} : { oneofIndex: oneofs.indexOf(oneof) }),
  };
}

const camelCase = (name: string): string =>
  name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

function messageInit(name: string, fields: Readonly<Record<string, FieldRow>>) {
  const oneofs = [...new Set(Object.values(fields).flatMap(([, , oneof]) => oneof ?? []))];
  return {
    name,
    oneofDecl: oneofs.map((each) => ({ name: each })),
    field: Object.entries(fields).map(([field, row]) => fieldInit(field, row, oneofs)),
  };
}

const file = create(FileDescriptorProtoSchema, {
  name: 'placewright/graphdef.proto',
  package: PACKAGE,
  syntax: 'proto3',
  enumType: Object.entries(ENUMS).map(([name, values]) => ({
    name,
    value: Object.entries(values).map(([value, number]) => ({ name: value, number })),
  })),
  messageType: Object.entries(MESSAGES).map(([name, fields]) => messageInit(name, fields)),
});

const registry = createFileRegistry(file, () => undefined);

function message(name: string): DescMessage {
  const found = registry.getMessage(`${PACKAGE}.${name}`);
  if (found === undefined) throw new Error(`there is no message ${name}`);
  return found;
}

export const GRAPH_DEF: DescMessage = message('GraphDef');
export const ATTR_VALUE: DescMessage = message('AttrValue');
