import { describe, expect, it } from 'vitest';
import { idsFor, partsOf } from '../../../src/cli/find-migration.js';
import { nameOf } from '../../../src/cli/next-step.js';

describe('a migration on the command line', () => {
  it('is a namespace of the source first, or a workflow id', () => {
    expect(idsFor('shop.orders', 'eu')).toEqual(['migrate:eu:shop.orders', 'shop.orders']);
    expect(idsFor('migrate:eu:shop.orders', 'source')[0]).toBe('migrate:eu:shop.orders');
    expect(idsFor('nightly', 'source')[0]).toBe('nightly');
  });

  it('keeps colons and dots of a collection', () => {
    expect(partsOf('migrate:eu:shop.a:b.c')).toEqual({ source: 'eu', namespace: 'shop.a:b.c' });
    expect(partsOf('something else')).toBeUndefined();
  });

  it('is told as short as may be, for a shell', () => {
    expect(nameOf('migrate:source:shop.orders')).toBe('shop.orders');
    expect(nameOf('migrate:eu:shop.orders')).toBe('shop.orders --source eu');
    expect(nameOf("migrate:source:shop.o'rders x")).toBe(String.raw`'shop.o'\''rders x'`);
    expect(nameOf('verify:source:shop.orders')).toBe('verify:source:shop.orders');
  });
});
