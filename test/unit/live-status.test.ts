import type { Client } from '@temporalio/client';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Connections } from '../../src/connections.js';
import { LiveStatusCodec } from '../../src/live-status.js';
import { Secret } from '../../src/secret.js';
import {
  liveDetails,
  liveStatus,
  markDetails,
  markStatus,
  type VerifyMark,
} from '../../src/workflows/live.js';
import { buildStatus, initialState, type MigrationStatus } from '../../src/workflows/status.js';
import {
  buildVerifyStatus,
  type VerifyState,
  type VerifyStatus,
} from '../../src/workflows/verify-status.js';
import { identity } from '../helpers/migration.js';
import { takenAs } from '../helpers/taken-as.js';

const state = initialState('2026-01-01T00:00:00.000Z');
const status = buildStatus(state, identity);

/** A client that answers with this. */
function clientThat(answer: () => Promise<unknown>): Client {
  return takenAs({ workflow: { getHandle: () => ({ describe: answer }) } });
}

/** No server listens on this port: whatever is read fails. */
const nowhere = Connections.from({
  uris: new Map(
    ['source', 'target'].map((alias) => [
      alias,
      new Secret('mongodb://user:s3cret@127.0.0.1:1/?serverSelectionTimeoutMS=50'),
    ]),
  ),
});

const codec = new LiveStatusCodec(
  nowhere,
  clientThat(async () => ({ raw: {} })),
);

function payloadOf(value: unknown): Payload {
  const payload = defaultPayloadConverter.toPayload(value);
  if (!payload) throw new Error('a payload was expected');
  return payload;
}

async function encode(value: unknown, by = codec): Promise<unknown> {
  const [encoded] = await by.encode([payloadOf(value)]);
  return encoded && defaultPayloadConverter.fromPayload(encoded);
}

afterEach(async () => {
  vi.useRealTimers();
  await nowhere.close();
});

describe('the codec', () => {
  it('leaves alone what carries no mark', async () => {
    const values = [
      null,
      5,
      'text',
      { phase: 'ready' },
      { a: 1, $live: identity },
      { text: '{"$live":' },
      new Uint8Array([0x7b, 0x22]),
      { currentDetails: 'a page' },
      { text: 'it says <!--live: in the middle' },
      { currentDetails: 'a page about <!--live:{}-->' },
    ];
    const payloads = values.map(payloadOf);
    const before = structuredClone(payloads);
    const encoded = await codec.encode(payloads);
    expect(encoded.map((one) => Buffer.from(one.data ?? []).toString())).toEqual(
      before.map((one) => Buffer.from(one.data ?? []).toString()),
    );
    expect(await codec.decode(payloads)).toBe(payloads);
    expect(await codec.encode([{ metadata: {} }])).toEqual([{ metadata: {} }]);
  });

  it('puts a status in the place of the mark, also when the servers do not answer', async () => {
    const answer = await encode(liveStatus(identity, state, status));
    expect(answer).not.toHaveProperty('$live');
    expect(answer).not.toHaveProperty('state');
    const { phase, live, problem, mayCutOver } = takenAs<MigrationStatus>(answer);
    expect({ phase, mayCutOver }).toEqual({ phase: 'preflight', mayCutOver: false });
    expect(live.error).toMatch(/./);
    expect(problem?.what).toContain('could not be read');
    expect(JSON.stringify(answer)).not.toContain('s3cret');
  });

  it('says why an activity fails, although the servers do not answer', async () => {
    const lastFailure = { message: 'connect ECONNREFUSED 127.0.0.1:1' };
    const activity = { activityId: 'replay', attempt: 7, lastFailure };
    const failing = new LiveStatusCodec(
      nowhere,
      clientThat(async () => ({ raw: { pendingActivities: [activity] } })),
    );
    const answer = await encode(liveStatus(identity, state, status), failing);
    const { problem } = takenAs<MigrationStatus>(answer);
    expect(problem?.what).toMatch(/^the activity replay fails, attempt 7: connect ECONNREFUSED/);
    expect(problem?.what).toContain('could not be read');
  });

  it('puts a page in the place of the mark in Temporal’s own answer', async () => {
    const currentDetails = liveDetails(identity, state, '# old page');
    const answer = await encode({ definition: { type: 'migrateCollection' }, currentDetails });
    expect(answer).toMatchObject({ definition: { type: 'migrateCollection' } });
    const { currentDetails: page } = takenAs<{ currentDetails: string }>(answer);
    expect(page.startsWith('## source:shop.orders')).toBe(true);
    expect(page).not.toContain('<!--');
    expect(page).not.toContain('old page');
  });

  it('fills the status and the page of a comparison from its heartbeat', async () => {
    const options = { source: 'a', target: 'b', namespace: 'c.d', targetNamespace: 'c.d' };
    const comparison = { workflowId: 'verify', runId: 'run-1', options };
    const comparing: VerifyState = { phase: 'comparing', startedAt: '' };
    const mark: VerifyMark = { $live: { kind: 'verify', ...comparison }, state: comparing };
    const progress = { doing: 'comparing', total: 10, source: { documents: 5, bytes: 50 } };
    const heartbeatDetails = { payloads: [payloadOf({ progress, checkpoint: {} })] };
    const activity = { activityId: 'compareCollections', heartbeatDetails };
    const beating = new LiveStatusCodec(
      nowhere,
      clientThat(async () => ({ raw: { pendingActivities: [activity] } })),
    );
    const before = buildVerifyStatus(comparing, comparison);
    const answer = takenAs<VerifyStatus>(await encode(markStatus(mark, before), beating));
    expect(answer).toMatchObject({ percent: 50, compared: { source: { documents: 5 } } });
    expect(answer).not.toHaveProperty('$live');
    expect(answer.live.asOf).toMatch(/Z$/);
    const currentDetails = markDetails(mark, 'old page');
    const { currentDetails: page } = takenAs<{ currentDetails: string }>(
      await encode({ currentDetails }, beating),
    );
    expect(page).toContain('5 documents of 10 (50 %)');
    const silent = takenAs<VerifyStatus>(await encode(markStatus(mark, before)));
    expect(silent).toMatchObject({ percent: null, doing: null });
  });

  it('keeps the payload’s metadata', async () => {
    const marked = payloadOf(liveStatus(identity, state, status));
    const [encoded] = await codec.encode([marked]);
    expect(encoded?.metadata).toEqual(marked.metadata);
  });

  it('hides secrets in what failed', async () => {
    const broken = new LiveStatusCodec(
      takenAs<Connections>({
        require: () => undefined,
        get: () => {
          throw new Error('bad mongodb://user:s3cret@host/');
        },
      }),
      clientThat(async () => ({ raw: {} })),
    );
    const answer = takenAs<MigrationStatus>(
      await encode(liveStatus(identity, state, status), broken),
    );
    expect(answer.live.error).toContain('***@host');
    expect(JSON.stringify(answer)).not.toContain('s3cret');
  });

  it('waits for the servers no longer than three seconds', async () => {
    vi.useFakeTimers();
    const never = new Promise<never>(() => undefined);
    const collection = { findOne: () => never, find: () => ({ toArray: () => never }), aggregate: () => ({ toArray: () => never }) }; // prettier-ignore
    const client = { startSession: () => ({}) };
    const db = { client, collection: () => collection, command: () => never };
    const silent = takenAs<Connections>({
      require: () => undefined,
      get: () => ({ db: () => db }),
    });
    const slow = new LiveStatusCodec(
      silent,
      clientThat(() => never),
    );
    const answering = encode(liveStatus(identity, state, status), slow);
    await vi.advanceTimersByTimeAsync(3_000);
    const { live } = takenAs<MigrationStatus>(await answering);
    expect(live).toEqual({ error: 'no answer within 3 s' });
  });
});
