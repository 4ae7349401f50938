import type { DType } from './dtype.js';
import { PlacewrightError } from './errors.js';
import type { Shape } from './shape.js';
import type { TensorValue } from './tensor.js';

/** An attribute's value, tagged with its type, so that a printed node reads back the same without its op's declaration. */
export type Attr =
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'bool'; readonly value: boolean }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'dtype'; readonly value: DType }
  | { readonly kind: 'shape'; readonly value: Shape }
  | { readonly kind: 'ints'; readonly value: readonly number[] }
  | { readonly kind: 'floats'; readonly value: readonly number[] }
  | { readonly kind: 'strings'; readonly value: readonly string[] }
  | { readonly kind: 'tensor'; readonly value: TensorValue };
export type AttrKind = Attr['kind'];
export type AttrValue<K extends AttrKind> = Extract<Attr, { kind: K }>['value'];

/** Attributes by name. A map, since names come from files and may be `__proto__`. */
export type Attrs = ReadonlyMap<string, Attr>;

export const NO_ATTRS: Attrs = new Map();

/** The value of an attribute that must be there with that type. Throws PW_ATTR_MISSING, PW_ATTR_TYPE. */
export function getAttr<K extends AttrKind>(
  holder: { readonly op: string; readonly attrs: Attrs },
  name: string,
  kind: K,
): AttrValue<K> {
  const attr = holder.attrs.get(name);
  if (attr === undefined) {
    throw new PlacewrightError(
      'PW_ATTR_MISSING',
      `${holder.op} lacks its attribute ${JSON.stringify(name)} (${kind})`,
    );
  }
  if (attr.kind !== kind) {
    throw new PlacewrightError(
      'PW_ATTR_TYPE',
      `attribute ${JSON.stringify(name)} of ${holder.op} is ${attr.kind}, not ${kind}`,
    );
  }
  return attr.value as AttrValue<K>;
}
