import { BSONType } from 'mongodb';
import { asBuffer, latin1, walk } from './raw.js';

/**
 * Whether a name occurs twice in one object of the document, at any depth. Servers store that. But an update by
 * a pipeline computes what changed, name by name, and a 6.0.5 server aborts when a name comes twice. Within
 * the `_id` it does not matter: that never changes.
 */
export function hasDoubledName(document: Uint8Array): boolean {
  return searchFields(document, (name) => name !== '_id');
}

function searchFields(document: Uint8Array, mayChange: (name: string) => boolean): boolean {
  const bytes = asBuffer(document);
  const names = new Set<string>();
  let found = false;
  walk(bytes, 0, (type, nameStart, nameEnd, valueStart, valueEnd) => {
    const name = latin1(bytes.subarray(nameStart, nameEnd));
    const hasFields = type === BSONType.object || type === BSONType.array;
    const within = () => searchFields(bytes.subarray(valueStart, valueEnd), () => true);
    found = names.has(name) || (hasFields && mayChange(name) && within());
    names.add(name);
    return !found;
  });
  return found;
}
