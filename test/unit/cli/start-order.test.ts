import { describe, expect, it } from 'vitest';
import { CliError } from '../../../src/cli/cli-error.js';
import { plainNamespace, readRenaming } from '../../../src/cli/patterns.js';
import { startOrder } from '../../../src/cli/start-order.js';
import { groupId } from '../../../src/names.js';

const sides = { source: 'source', target: 'target' };

function refusalOf(namespaces: readonly string[], options: object = {}, command = {}): CliError {
  try {
    startOrder(namespaces, { ...sides, ...options }, command);
  } catch (error) {
    if (error instanceof CliError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

describe('one plain namespace', () => {
  it('is a migration of that collection', () => {
    expect(startOrder(['shop.orders'], { ...sides, copy: 'direct', wait: true })).toEqual({
      type: 'migrateCollection',
      workflowId: 'migrate:source:shop.orders',
      input: { ...sides, namespace: 'shop.orders', copy: 'direct' },
      summary: 'source:shop.orders to target',
      details: expect.stringMatching(
        /^Moves `shop\.orders` from `source` to `target`.*\n\nCopy `direct`, comparison `full`, cutover `signal`\./,
      ),
    });
  });

  it('may have a comma in its name, which separates names otherwise', () => {
    const namespaceOf = (typed: string) => startOrder([typed], sides).input;
    expect(namespaceOf(String.raw`shop.a\,b`)).toMatchObject({ namespace: 'shop.a,b' });
    expect(namespaceOf('shop.*,crm.people')).toMatchObject({
      namespaces: ['shop.*', 'crm.people'],
    });
  });

  it('may have a star in its name', () => {
    expect(startOrder([String.raw`shop.odd\*name`], sides)).toMatchObject({
      type: 'migrateCollection',
      workflowId: 'migrate:source:shop.odd*name',
      input: { namespace: 'shop.odd*name' },
    });
  });

  it.each([
    [{ follow: true }, '--follow is for several collections', 'leave it out'],
    [{ exclude: ['a.b'] }, '--exclude is for several collections', 'leave it out'],
    [{ parallelCopies: 2 }, '--parallel-copies is for several collections', 'leave it out'],
    [{ rename: [{ from: 'shop.*', to: 'a.*' }] }, '--rename is', '--target-namespace'],
  ])('takes no option of a group: %j', (options, message, todo) => {
    const refusal = refusalOf(['shop.orders'], options);
    expect(refusal).toMatchObject({ exit: 'usage' });
    expect(refusal.message).toContain(message);
    expect(refusal.todo.join('\n')).toContain(todo);
  });

  it('is not advised to have an id where the command has no option for it', () => {
    const todoOf = (takesId: boolean) =>
      refusalOf(['shop.orders'], { follow: true }, { takesId }).todo.join('\n');
    expect(todoOf(true)).toContain('--id');
    expect(todoOf(false)).not.toContain('--id');
    expect(todoOf(false)).toContain('leave it out');
  });

  it('is a group where it has an id of its own, since its collection has the usual one', () => {
    expect(startOrder(['shop.orders'], { ...sides, follow: true, id: 'mine' })).toMatchObject({
      type: 'migrateCollections',
      workflowId: 'mine',
      input: { namespaces: ['shop.orders'], follow: true },
    });
  });
});

describe('several, or a pattern', () => {
  it('are one migration of many collections', () => {
    const rename = [{ from: 'shop.*', to: 'store.*' }];
    const options = { ...sides, exclude: ['shop.tmp_*'], rename, parallelCopies: 4, gzip: true };
    expect(startOrder(['shop.*', 'crm.people'], options)).toEqual({
      type: 'migrateCollections',
      workflowId: 'migrate:source:shop.*,crm.people',
      input: { ...options, namespaces: ['shop.*', 'crm.people'] },
      summary: 'source: shop.*, crm.people to target',
      details: expect.stringMatching(
        /^Moves all collections of `shop\.\*`, `crm\.people` but `shop\.tmp_\*` from `source` to `target`/,
      ),
    });
  });

  it.each([
    [['shop.*'], { targetNamespace: 'a.b' }, '--target-namespace is for one collection'],
    [['*'], {}, 'must be <database>.<collection>, where * stands for any text'],
    [['shop.a', 'orders'], {}, 'must be <database>.<collection>'],
    [['shop.*'], { rename: [{ from: 'shop.*', to: 'store.all' }] }, 'has 1 and "to" has 0 stars'],
    [['shop.*'], { copyBytesPerSecond: 1_000_000 }, 'mongodump reads as fast as it can'],
  ])('are checked before anything is sent: %j %j', (namespaces, options, message) => {
    const refusal = refusalOf(namespaces, options);
    expect(refusal).toMatchObject({ exit: 'usage' });
    expect(refusal.message).toContain(message);
  });

  it('have a summary that Temporal takes, whatever letters it has', () => {
    const namespaces = ['訂', '客', '貨'].map((letter) => `shop.${letter.repeat(60)}*`);
    const { summary } = startOrder(namespaces, sides);
    expect(summary).toMatch(/^source: shop\.訂.*…$/);
    // 400 with its envelope.
    expect(Buffer.byteLength(JSON.stringify(summary))).toBeLessThan(370);
  });

  it('have an id that is not too long', () => {
    expect(groupId('eu', ['a.*', 'b.c'])).toBe('migrate:eu:a.*,b.c');
    const many = Array.from({ length: 40 }, (_, index) => `shop.orders_${index}`);
    expect(groupId('source', many)).toBe('migrate:source:shop.orders_0,…39');
  });
});

describe('a pattern', () => {
  it.each([
    ['shop.orders', 'shop.orders'],
    ['shop.*', undefined],
    ['*', undefined],
    [String.raw`shop.a\*`, 'shop.a*'],
    ['orders', 'orders'],
  ])('%s stands for %s', (text, namespace) => expect(plainNamespace(text)).toBe(namespace));
});

describe('a renaming', () => {
  it('is from=to, again and again', () => {
    const first = readRenaming('shop.*=store.*');
    expect(readRenaming(' a.b = c.d ', first)).toEqual([
      { from: 'shop.*', to: 'store.*' },
      { from: 'a.b', to: 'c.d' },
    ]);
  });

  it.each(['shop.*', 'shop.*=', '=a.b', 'a.b=c=d.e'])('refuses %s', (text) => {
    expect(() => readRenaming(text)).toThrow('It has to be from=to');
  });
});
