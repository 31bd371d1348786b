import { afterEach, expect, it, vi } from 'vitest';
import { noWorker, wrongQueue } from '../../../src/cli/workers.js';

afterEach(() => {
  vi.useRealTimers();
});

it('says where a workflow waits that was started on another queue', () => {
  const found = { workflowId: 'migrate:source:shop.*', taskQueue: 'changestream-migrations' };
  const error = wrongQueue(found);
  expect(error).toMatchObject({ exit: 'noWorker' });
  expect(error?.message).toContain('on task queue changestream-migrations, and workers serve');
  expect(error?.todo[0]).toContain("--workflow-id 'migrate:source:shop.*'");
  expect(wrongQueue({ ...found, taskQueue: 'changestream-migration' })).toBeUndefined();
});

it('says the same of a worker that is gone as long as nothing changes: a watch writes what is new', () => {
  const session = { namespace: 'default', address: 'localhost:7233' };
  const worker = {
    identity: '1@host',
    sdk: '1.24.0',
    lastSeen: '2026-01-01T12:00:00.000Z',
    serves: ['workflows'],
    isFresh: false,
  };
  const messageAt = (time: string) => {
    vi.useFakeTimers({ now: new Date(time), toFake: ['Date'] });
    return noWorker(session, [worker]).message;
  };
  const first = messageAt('2026-01-01T12:02:00.000Z');
  expect(first).toMatch(/the last that was seen: 1@host, at \d\d:\d\d:00/);
  expect(messageAt('2026-01-01T12:02:01.000Z')).toBe(first);
  expect(noWorker(session, []).message).not.toContain('seen');
});
