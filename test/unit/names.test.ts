import { describe, expect, it } from 'vitest';
import {
  bufferName,
  CONTROL_COLLECTION,
  hostQueue,
  parseNamespace,
  stagingName,
  stagingNames,
  TASK_QUEUE,
  workflowId,
} from '../../src/names.js';
import * as workflows from '../../src/workflows/index.js';
import { signals, updates } from '../../src/workflows/messages.js';

// People, scripts and running migrations depend on every one of these.
describe('names that never change', () => {
  it('are these', () => {
    expect(TASK_QUEUE).toBe('changestream-migration');
    expect(CONTROL_COLLECTION).toBe('cdc');
    expect(bufferName('orders')).toBe('cdc.orders');
    expect(stagingName('orders')).toBe('cdc-staging.orders');
    expect(stagingName('orders', 2)).toBe('cdc-staging-2.orders');
    expect(stagingName('orders', 0, '0a1b2c3d')).toBe('cdc-staging-0a1b2c3d.orders');
    expect(stagingName('orders', 2, '0a1b2c3d')).toBe('cdc-staging-2-0a1b2c3d.orders');
    expect(hostQueue('host-1')).toBe('changestream-migration@host-1');
    expect(workflowId('source', 'shop.orders')).toBe('migrate:source:shop.orders');
    expect(Object.keys(workflows)).toContain('migrateCollection');
    const messages = ['abort', 'cutover', 'pause', 'restart', 'restore', 'resume', 'tune'];
    expect(Object.keys(signals).toSorted()).toEqual(messages);
    expect(Object.keys(updates).toSorted()).toEqual(messages);
  });

  it('of buffer and staging collection never meet, whatever collections are called', () => {
    const collections = ['a', 'staging.a', '-staging.a', 'cdc.a', 'orders.archive'];
    const names = collections.flatMap((name) => [
      bufferName(name),
      stagingName(name),
      stagingName(name, 1),
    ]);
    expect(new Set(names).size).toBe(names.length);
  });

  it('of staging collections are known, whichever copy they are of, and no others', () => {
    const collections = ['a', 'a+b', 'orders.archive', 'ordersXarchive', '-1.a'];
    const copies: readonly [number, string?][] = [
      [0],
      [1],
      [12],
      [0, '0a1b2c3d'],
      [12, '12345678'],
    ];
    const names = collections.flatMap((name) => copies.map((copy) => stagingName(name, ...copy)));
    for (const name of collections) {
      const own = copies.map((copy) => stagingName(name, ...copy));
      expect(names.filter((each) => stagingNames(name).test(each))).toEqual(own);
    }
  });
});

describe('parseNamespace', () => {
  it.each([
    ['shop.orders', 'shop', 'orders'],
    ['shop.orders.archive', 'shop', 'orders.archive'],
  ])('splits %s at its first dot', (namespace, db, collection) => {
    expect(parseNamespace(namespace)).toEqual({ db, collection });
  });
});
