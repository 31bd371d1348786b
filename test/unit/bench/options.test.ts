import { describe, expect, it } from 'vitest';
import { cases } from '../../../bench/cases/index.js';
import { help, readOrder } from '../../../bench/options.js';

describe('the command line of the bench', () => {
  it('takes all cases with their own sizes unless told otherwise', () => {
    const order = readOrder([]);
    expect(order?.chosen.map(({ name }) => name)).toEqual(Object.keys(cases));
    for (const { bench, options } of order?.chosen ?? []) expect(options).toEqual(bench.defaults);
  });

  it('takes some, and sizes', () => {
    const order = readOrder([
      'capture',
      'copy',
      '--rounds',
      '2',
      '--documents',
      '5',
      '--only',
      'x',
    ]);
    expect(order?.chosen.map(({ name }) => name)).toEqual(['capture', 'copy']);
    expect(order?.chosen[0]?.options).toMatchObject({ rounds: 2, documents: 5 });
    expect(order?.only).toBe('x');
  });

  it('is quick with less of all', () => {
    for (const { name, bench, options } of readOrder(['--quick'])?.chosen ?? []) {
      expect(options.rounds).toBe(1);
      expect(options.documents, name).toBeLessThan(bench.defaults.documents);
    }
  });

  it('says what is wrong', () => {
    expect(() => readOrder(['copies'])).toThrow('"copies" is no case; there are copy, ');
    expect(() => readOrder(['--rounds', 'two'])).toThrow('whole number above 0, not "two"');
    expect(readOrder(['-h'])).toBeUndefined();
    for (const name of Object.keys(cases)) expect(help).toContain(`  ${name} `);
  });
});
