import { describe, expect, it } from 'vitest';
import {
  bufferName,
  CONTROL_COLLECTION,
  hostQueue,
  parseNamespace,
  stagingName,
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
    expect(hostQueue('host-1')).toBe('changestream-migration@host-1');
    expect(workflowId('source', 'shop.orders')).toBe('migrate:source:shop.orders');
    expect(Object.keys(workflows)).toContain('migrateCollection');
    const messages = ['abort', 'cutover', 'pause', 'restore', 'resume', 'tune'];
    expect(Object.keys(signals).toSorted()).toEqual(messages);
    expect(Object.keys(updates).toSorted()).toEqual(messages);
  });

  it('of buffer and staging collection never meet, whatever collections are called', () => {
    const collections = ['a', 'staging.a', '-staging.a', 'cdc.a', 'orders.archive'];
    const names = collections.flatMap((name) => [bufferName(name), stagingName(name)]);
    expect(new Set(names).size).toBe(names.length);
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
