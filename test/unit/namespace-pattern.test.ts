import { describe, expect, it } from 'vitest';
import { NamespacePattern, patternProblem, rename } from '../../src/namespace-pattern.js';

describe('a pattern of namespaces', () => {
  it.each([
    ['shop.*', 'shop.orders', true],
    ['shop.*', 'shop.orders.archive', true],
    ['shop.*', 'shops.orders', false],
    ['shop.orders', 'shop.orders', true],
    ['shop.orders', 'shop.orders.archive', false],
    ['shop.orders', 'shopXorders', false],
    ['*.orders', 'crm.orders', true],
    ['*.orders', 'crm.people.orders', false],
    ['shop.orders_*', 'shop.orders_', true],
    ['shop.*_2024*', 'shop.orders_2024_q1', true],
    ['shop.a+b', 'shop.aab', false],
    ['shop.a+b', 'shop.a+b', true],
    ['shop.a-b/c d%"|^*', 'shop.a-b/c d%"|^e', true],
    ['shop.line*', 'shop.line\nbreak', true],
    ['shop.star\\*', 'shop.star*', true],
    ['shop.star\\*', 'shop.stars', false],
    ['shop.back\\\\slash', 'shop.back\\slash', true],
    ['shop.back\\slash', 'shop.back\\slash', true],
    ['shop.漢*', 'shop.漢字', true],
    ['shop.😀?', 'shop.😀?', true],
  ])('%s and %s: %s', (pattern, namespace, matches) => {
    expect(new NamespacePattern(pattern).match(namespace) !== undefined).toBe(matches);
  });

  it.each([
    ['shop.*', 'shop', true, true],
    ['shop.*', 'shops', false, false],
    ['s*.orders', 'shop', true, false],
    ['s*.orders', 'crm', false, false],
    ['*.*', 'crm', true, true],
    ['crm.a*', 'crm', true, false],
  ])('%s in the database %s: something %s, all of it %s', (pattern, db, some, all) => {
    const read = new NamespacePattern(pattern);
    expect([read.matchesDatabase(db), read.matchesAllOf(db)]).toEqual([some, all]);
  });

  it('names its database and its only namespace, where it has one', () => {
    expect(new NamespacePattern('shop.*')).toMatchObject({ db: 'shop', namespace: undefined });
    expect(new NamespacePattern('*.orders').db).toBeUndefined();
    expect(new NamespacePattern('shop.a\\*b.c').namespace).toBe('shop.a*b.c');
  });

  it.each(['shop', '.orders', 'shop.', '', 'shop.\0'])('%j is none', (text) => {
    expect(patternProblem(text)).toBeDefined();
  });
});

describe('a renaming', () => {
  const rules = [
    { from: 'shop.old_*', to: 'archive.*' },
    { from: 'shop.*', to: 'store.*' },
    { from: 'team_*.*', to: 'all.*.of.*' },
  ];

  it.each([
    ['shop.old_orders', 'archive.orders'],
    ['shop.orders', 'store.orders'],
    ['team_a.tasks', 'all.a.of.tasks'],
    ['crm.people', 'crm.people'],
  ])('%s becomes %s', (namespace, target) => {
    expect(rename(namespace, rules)).toBe(target);
  });

  it('takes what a star stands for as it is', () => {
    expect(rename('a.$&*x', [{ from: 'a.*', to: 'b.*' }])).toBe('b.$&*x');
  });
});
