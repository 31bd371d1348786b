import { describe, expect, it } from 'vitest';
import {
  readNames,
  readNumber,
  refuseConnectionStrings,
  writeNames,
} from '../../../src/cli/arguments.js';
import { CliError } from '../../../src/cli/cli-error.js';

function refusalOf(args: readonly string[]): CliError | undefined {
  try {
    refuseConnectionStrings(args);
    return undefined;
  } catch (error) {
    if (error instanceof CliError) return error;
    throw error;
  }
}

describe('a connection string on the command line', () => {
  it.each([
    [['init', 'mongodb://user:s3cret@host/', 'target', 'shop', 'orders'], 2],
    [['init', 'source', 'mongodb+srv://user:s3cret@host/shop?retryWrites=true', 'shop', 'o'], 3],
    [['start', 'shop.orders', '--source=MongoDB://user:s3cret@host'], 3],
    [['start', 'shop.orders', '--reason', 'as mongodb://user:s3cret@host'], 4],
    [['status', 'mongodb%3A%2F%2Fuser:s3cret@host'], 2],
  ])('is refused by its place and never repeated: %#', (args, place) => {
    const refusal = refusalOf(args);
    expect(refusal?.exit).toBe('usage');
    expect(refusal?.message).toContain(`argument ${place} holds a connection string`);
    expect(JSON.stringify([refusal?.message, refusal?.todo])).not.toContain('s3cret');
  });

  it('is not seen in names', () => {
    expect(refusalOf(['init', 'source', 'mongodb', 'shop', 'orders'])).toBeUndefined();
    expect(refusalOf(['start', 'mongodb_stats.orders'])).toBeUndefined();
  });
});

describe('a number', () => {
  it.each([
    ['5000', 5000],
    ['5_000', 5000],
    ['0.5', 0.5],
  ])('%s', (text, number) => expect(readNumber(text)).toBe(number));

  it.each(['', ' ', 'many', '1GB'])('refuses "%s"', (text) => {
    expect(() => readNumber(text)).toThrow('It has to be a number.');
  });
});

describe('names', () => {
  it('are separated by commas or given by several options', () => {
    expect(readNames('lag, verification')).toEqual(['lag', 'verification']);
    expect(readNames('lag', ['verification'])).toEqual(['verification', 'lag']);
  });

  it('may end with a blank where they stand alone', () => {
    expect(readNames('shop.orders ')).toEqual(['shop.orders ']);
  });

  it('may hold commas of their own', () => {
    expect(readNames(String.raw`shop.a\,b,shop.c`)).toEqual(['shop.a,b', 'shop.c']);
    expect(readNames(String.raw`shop.odd\*name,shop.x\\y`)).toEqual([
      String.raw`shop.odd\*name`,
      String.raw`shop.x\\y`,
    ]);
    const names = ['shop.a,b', 'shop.c', String.raw`shop.d\,e`];
    expect(readNames(writeNames(names))).toEqual(names);
    expect(writeNames(['shop.a', 'shop.b'])).toBe('shop.a,shop.b');
  });
});
