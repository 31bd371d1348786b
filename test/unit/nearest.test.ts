import { describe, expect, it } from 'vitest';
import { didYouMean, nearest } from '../../src/nearest.js';

describe('the nearest names', () => {
  const known = [
    'shop.orders',
    'shop.orders_2026',
    'shop.carts',
    'crm.people',
    'verify:a:shop.carts',
  ];

  it.each([
    ['shop.order', 'shop.orders'],
    ['shop.ordres', 'shop.orders'],
    ['orders', 'shop.orders'],
    ['Shop.Carts', 'shop.carts'],
    ['peple', undefined],
    ['crm.peple', 'crm.people'],
    ['payroll.salaries', undefined],
  ])('of %s', (given, wanted) => expect(nearest(given, known)[0]).toBe(wanted));

  it('are three at most', () => {
    expect(nearest('ab', ['aa', 'ac', 'ad', 'ae'])).toHaveLength(3);
  });

  it('are asked for where there is one', () => {
    expect(didYouMean('shop.crats', known)).toBe(' (did you mean "shop.carts"?)');
    expect(didYouMean('payroll.salaries', known)).toBe('');
  });
});
