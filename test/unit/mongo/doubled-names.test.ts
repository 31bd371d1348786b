import { expect, it } from 'vitest';
import { hasDoubledName } from '../../../src/mongo/doubled-names.js';
import { documentOf } from '../../helpers/bson.js';

const one = Buffer.from([1, 0, 0, 0]);
const twice = documentOf([0x10, 'a', one], [0x10, 'b', one], [0x10, 'a', one]);

it.each([
  ['nowhere', documentOf([0x10, 'a', one], [0x10, 'aa', one]), false],
  ['in two objects', documentOf([0x03, 'a', documentOf([0x10, 'a', one])]), false],
  ['at the top', twice, true],
  ['in an object', documentOf([0x03, 'x', twice]), true],
  ['in an object in an array', documentOf([0x04, 'x', documentOf([0x03, '0', twice])]), true],
  ['in the _id', documentOf([0x03, '_id', twice]), false],
  [
    'in an _id that is not at the top',
    documentOf([0x03, 'x', documentOf([0x03, '_id', twice])]),
    true,
  ],
  ['in bytes that are no fields', documentOf([0x05, 'x', withHead(twice)]), false],
])('a name that comes twice %s: %s', (_where, document, found) => {
  expect(hasDoubledName(document)).toBe(found);
});

function withHead(content: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeInt32LE(content.length);
  return Buffer.concat([head, content]);
}
