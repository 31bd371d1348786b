import { expect, it, vi } from 'vitest';
import { Output } from '../../../src/cli/output.js';
import { send } from '../../../src/cli/send.js';
import type { Session } from '../../../src/cli/session.js';
import { takenAs } from '../../helpers/taken-as.js';

const to = { workflowId: 'migrate:source:shop.orders', runId: 'run', payload: {} };

/** A worker is there, and takes the update, which answers in one way after another. */
function sessionOf(...answers: readonly (() => unknown)[]): Session {
  const left = [...answers];
  const result = async () => left.shift()?.();
  const worker = { identity: '1@host', lastAccessTime: { seconds: Date.now() / 1000 } };
  return takenAs<Session>({
    namespace: 'default',
    call: async () => ({ pollers: [worker] }),
    connection: { withDeadline: async (_until: number, run: () => unknown) => run() },
    client: { workflow: { getHandle: () => ({ startUpdate: async () => ({ result }) }) } },
  });
}

function fail(code: number): () => never {
  return () => {
    throw Object.assign(new Error('Workflow Update Poll failed'), { cause: { code } });
  };
}

it('waits for the answer of what was taken, also while Temporal is away', async () => {
  const output = Output.for({ json: false, isTerminal: false });
  const warn = vi.spyOn(output, 'warn').mockReturnValue(undefined);
  const report = { openedAt: '2026-01-01T00:00:00.000Z' };
  const session = sessionOf(fail(14), fail(14), () => report);
  expect(await send(session, output, { ...to, name: 'cutover' })).toEqual(report);
  expect(warn.mock.calls.flat()).toEqual([
    expect.stringContaining('cutover was taken and goes on; Temporal does not answer'),
    'Temporal answers again',
  ]);
});

it('says what may have become of it where no worker answers', async () => {
  const output = Output.for({ json: false, isTerminal: false });
  const sent = send(sessionOf(fail(9)), output, { ...to, name: 'cutover' });
  await expect(sent).rejects.toMatchObject({
    exit: 'noWorker',
    todo: [expect.stringContaining('may still take effect')],
  });
});
