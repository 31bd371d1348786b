import { describe, expect, it } from 'vitest';
import { messageOf, parseLine } from '../../../src/tools/progress.js';

const at = '2024-07-24T18:35:27.123+0200\t';

describe('parseLine', () => {
  it.each([
    [`${at}dumped 12 documents`, { kind: 'dumped', documents: 12 }],
    [`${at}dumped 1 document`, { kind: 'dumped', documents: 1 }],
    [`${at}done dumping shop.orders (0 documents)`, { kind: 'dumped', documents: 0 }],
    [`second line of a name (7 documents)`, { kind: 'dumped', documents: 7 }],
    [
      `${at}10 document(s) restored successfully. 2 document(s) failed to restore.`,
      { kind: 'restored', documents: 10, failures: 2 },
    ],
    [`${at}continuing through error: E11000 dup`, { kind: 'refused', message: 'E11000 dup' }],
    [`${at}shop.orders  101`, { kind: 'documents', count: 101 }],
    [
      `${at}[###.....................]  shop.orders  101/1000  (10.1%)`,
      { kind: 'documents', count: 101, total: 1000 },
    ],
    [`${at}shop.orders  512B`, { kind: 'bytes', count: 512 }],
    [
      `${at}[####....]  shop.two  spaces  1.50MB/2.00GB  (0.1%)`,
      { kind: 'bytes', count: 1.5 * 1024 ** 2, total: 2 * 1024 ** 3 },
    ],
    [`${at}writing shop.orders to stdout`, { kind: 'other' }],
    [`${at}finished restoring shop.orders (2 documents, 0 failures)`, { kind: 'other' }],
    ['', { kind: 'other' }],
  ])('%s', (line, expected) => {
    expect(parseLine(line)).toEqual(expected);
  });
});

it('strips the timestamp of any time zone, and nothing else', () => {
  expect(messageOf(`${at}Failed: x`)).toBe('Failed: x');
  expect(messageOf('2024-07-24T16:35:27.123Z\tFailed: x')).toBe('Failed: x');
  expect(messageOf('Failed:\tx')).toBe('Failed:\tx');
});
