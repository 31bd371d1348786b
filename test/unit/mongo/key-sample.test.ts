import { expect, it } from 'vitest';
import { KeySample } from '../../../src/mongo/key-sample.js';
import { type Id, rawOf } from '../../helpers/bson.js';

it('knows few documents exactly', () => {
  const sample = new KeySample();
  for (let round = 1; round <= 3; round++) {
    for (let id = 0; id < 4_000; id++) sample.set(rawOf(id).key, round * 10);
  }
  expect([sample.count, sample.bytes, sample.keys.length]).toEqual([4_000, 120_000, 4_000]);
  sample.set(rawOf(7).key, 5);
  expect([sample.count, sample.bytes, sample.sizeOf(rawOf(7).key)]).toEqual([4_000, 119_975, 5]);
});

it.each<[string, (n: number) => Id]>([
  ['numbers one after the other', (n) => n],
  ['numbers far apart', (n) => n * 16_384],
  ['fractions', (n) => n / 4_096],
  ['text', (n) => `order ${n}`],
])('tells about how many there are that come again and again: %s', (_what, idAt) => {
  const sample = new KeySample();
  const documents = 50_000;
  for (let n = 0; n < documents * 3; n++) sample.set(rawOf(idAt(n % documents)).key, 500);
  expect(sample.keys.length).toBeGreaterThan(1_600);
  expect(sample.keys.length).toBeLessThanOrEqual(4_096);
  expect(sample.count / documents).toBeGreaterThan(0.8);
  expect(sample.count / documents).toBeLessThan(1.25);
  expect(sample.bytes).toBe(sample.count * 500);
});
