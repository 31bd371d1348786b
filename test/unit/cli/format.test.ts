import { expect, it } from 'vitest';
import { bar, bytes, count, duration, moment, number, quoted } from '../../../src/cli/format.js';

it('writes figures as people read them', () => {
  expect(number(1_234_567.8)).toBe('1,234,568');
  expect(bytes(6_808_890)).toBe('6.8 MB');
  expect(count(1, 'index', 'indexes')).toBe('1 index');
  expect(count(2, 'index', 'indexes')).toBe('2 indexes');
});

it.each([
  [0.04, '0.0 s'],
  [9.99, '10.0 s'],
  [59.4, '59 s'],
  [303, '5m 3s'],
  [187_500, '2d 4h'],
])('writes %d seconds', (seconds, text) => expect(duration(seconds)).toBe(text));

it('draws bars that stay within their cells', () => {
  expect(bar(0.5, 10)).toBe('█████░░░░░');
  expect(bar(0.999, 10)).toBe('█████████░');
  expect(bar(1.2, 4)).toBe('████');
  expect(bar(-1, 4)).toBe('░░░░');
});

it('leaves out the day of today', () => {
  const today = new Date(2026, 10, 23, 12, 0, 0);
  expect(moment(new Date(2026, 10, 23, 8, 5, 9).toISOString(), today)).toBe('08:05:09');
  expect(moment(new Date(2026, 10, 22, 8, 5, 9).toISOString(), today)).toBe('2026-11-22 08:05:09');
});

it('quotes what a shell would take apart', () => {
  expect(quoted('shop.orders')).toBe('shop.orders');
  expect(quoted('shop.odd name')).toBe("'shop.odd name'");
});
