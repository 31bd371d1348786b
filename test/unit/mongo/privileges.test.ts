import { describe, expect, it } from 'vitest';
import { type Grant, isGranted } from '../../../src/mongo/privileges.js';

describe('a grant', () => {
  it.each<[Grant['resource'] & { readonly cluster?: true }, boolean]>([
    [{ db: 'shop', collection: '' }, true],
    [{ db: '', collection: '' }, true],
    [{ db: '', collection: 'orders.archive' }, true],
    [{ db: 'shop', collection: 'orders.archive' }, true],
    [{ anyResource: true }, true],
    [{ cluster: true }, false],
    [{ db: 'shop', collection: 'orders' }, false],
    [{ db: 'shop2', collection: '' }, false],
  ])('on %j', (resource, expected) => {
    const grants = [{ resource, actions: ['find', 'insert'] }];
    expect(isGranted(grants, 'find', 'shop.orders.archive')).toBe(expected);
    expect(isGranted(grants, 'remove', 'shop.orders.archive')).toBe(false);
  });

  it('on all collections leaves out the server’s own', () => {
    const grants = [{ resource: { db: 'shop', collection: '' }, actions: ['find'] }];
    expect(isGranted(grants, 'find', 'shop.system.js')).toBe(false);
  });

  it('of anyAction allows everything', () => {
    const grants = [{ resource: { anyResource: true }, actions: ['anyAction'] }];
    expect(isGranted(grants, 'collMod', 'shop.orders')).toBe(true);
  });
});
