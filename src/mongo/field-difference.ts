import { BSONType } from 'mongodb';
import { asBuffer, RawValue, walk } from './raw.js';

/** In what way a field is not the same on both sides. */
export type FieldDifferenceKind = 'value' | 'type' | 'order' | 'missing' | 'extra';

/** The first field in which two documents differ. */
export interface FieldDifference {
  /** Names from the top, joined by dots; of arrays the index: `items.3.price`. */
  readonly path: string;
  /**
   * `missing`: not at the target. `extra`: not at the source. `order`: both have the field, in
   * another place. `type`: the values may be equal, as 1 and 1.0 are, but not their types.
   */
  readonly kind: FieldDifferenceKind;
  /** Types at source and target, where they differ. */
  readonly types?: readonly [source: string, target: string];
}

const words: Readonly<Record<FieldDifferenceKind, string>> = {
  value: 'value',
  type: 'type',
  order: 'order of the fields',
  missing: 'missing at the target',
  extra: 'not at the source',
};

interface Element {
  readonly name: string;
  /** Its bytes, one letter each: text may lose what is no UTF-8. */
  readonly key: string;
  readonly value: RawValue;
}

const typeNames = new Map<number, string>([
  ...Object.entries(BSONType).map(([name, type]): [number, string] => [type, name]),
  // The enum knows it as -1, which is how queries write it.
  [0xff, 'minKey'],
]);

/** Finds the first field in which two documents differ in any byte; nothing where they are the same. */
export function findFieldDifference(
  source: Uint8Array,
  target: Uint8Array,
): FieldDifference | undefined {
  const left = elementsOf(source);
  const right = elementsOf(target);
  const length = Math.max(left.length, right.length);
  for (let index = 0; index < length; index++) {
    const difference = differ(left[index], right[index], left, right);
    if (difference) return difference;
  }
  return undefined;
}

/** A difference in words: `type, int at the source and double at the target`. */
export function describeFieldDifference({ kind, types }: FieldDifference): string {
  return types ? `type, ${types[0]} at the source and ${types[1]} at the target` : words[kind];
}

function differ(
  one: Element | undefined,
  other: Element | undefined,
  left: readonly Element[],
  right: readonly Element[],
): FieldDifference | undefined {
  if (!other) return one && { path: one.name, kind: 'missing' };
  if (!one) return { path: other.name, kind: 'extra' };
  if (one.key === other.key) return differInValue(one, other);
  if (!right.some(({ key }) => key === one.key)) return { path: one.name, kind: 'missing' };
  if (!left.some(({ key }) => key === other.key)) return { path: other.name, kind: 'extra' };
  return { path: one.name, kind: 'order' };
}

function differInValue(one: Element, other: Element): FieldDifference | undefined {
  const path = one.name;
  if (one.value.type !== other.value.type) {
    return { path, kind: 'type', types: [typeName(one.value), typeName(other.value)] };
  }
  if (asBuffer(one.value.bytes).equals(other.value.bytes)) return undefined;
  if (one.value.type !== BSONType.object && one.value.type !== BSONType.array) {
    return { path, kind: 'value' };
  }
  const inner = findFieldDifference(one.value.bytes, other.value.bytes);
  return inner ? { ...inner, path: `${path}.${inner.path}` } : { path, kind: 'value' };
}

function typeName({ type }: RawValue): string {
  return typeNames.get(type) ?? `BSON type ${type}`;
}

function elementsOf(document: Uint8Array): Element[] {
  const bytes = asBuffer(document);
  const elements: Element[] = [];
  walk(bytes, 0, (type, nameStart, nameEnd, valueStart, valueEnd) => {
    elements.push({
      name: bytes.toString('utf8', nameStart, nameEnd),
      key: bytes.toString('latin1', nameStart, nameEnd),
      value: new RawValue(type, bytes.subarray(valueStart, valueEnd)),
    });
  });
  return elements;
}
