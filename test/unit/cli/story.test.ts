import { readdirSync, readFileSync } from 'node:fs';
import { temporal } from '@temporalio/proto';
import { describe, expect, it } from 'vitest';
import { tellHistory } from '../../../src/cli/story.js';

const FOLDER = new URL('../../replay/histories/', import.meta.url);
const { HistoryEvent } = temporal.api.history.v1;

function eventsOf(file: string) {
  const { events } = JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8')) as {
    events: Record<string, unknown>[];
  };
  return events.map((event) => HistoryEvent.fromObject(event));
}

const at = (seconds: number) => ({ eventTime: { seconds } });
const payloads = (value: unknown) => ({
  payloads: [{ data: Buffer.from(JSON.stringify(value)) }],
});

describe('a recorded history', () => {
  it.each(readdirSync(FOLDER))('is told from its start to its end: %s', (file) => {
    const told = tellHistory(eventsOf(file));
    expect(told[0]?.text).toMatch(/^started by /);
    // One of them was recorded while it ran.
    if (file !== 'running.json') expect(told.at(-1)?.what).toBe('migration');
    expect(told.every(({ at: moment, text }) => moment !== '' && text !== '')).toBe(true);
    // Resume tokens and the like are long; nobody wants to read a payload.
    expect(Math.max(...told.map(({ text }) => text.length))).toBeLessThan(400);
  });
});

describe('a story', () => {
  const scheduled = (eventId: number, activityId: string, seconds = 0) =>
    HistoryEvent.fromObject({
      eventId,
      ...at(seconds),
      activityTaskScheduledEventAttributes: { activityId, activityType: { name: activityId } },
    });

  it('says how often a step was tried, and why', () => {
    const told = tellHistory([
      scheduled(1, 'capture'),
      HistoryEvent.fromObject({
        eventId: 2,
        activityTaskStartedEventAttributes: {
          scheduledEventId: 1,
          attempt: 3,
          lastFailure: { message: 'mongodb://user:s3cret@host is not primary' },
        },
      }),
      HistoryEvent.fromObject({
        eventId: 3,
        ...at(90),
        activityTaskCompletedEventAttributes: { scheduledEventId: 1, startedEventId: 2 },
      }),
    ]);
    expect(told.map(({ text }) => text)).toEqual([
      'begun: capture',
      'done in 1m 30s (attempt 3; the one before: mongodb://***@host is not primary): capture',
    ]);
  });

  it('leaves out the beginning of a step that ended at once', () => {
    const told = tellHistory([
      scheduled(1, 'planCopy'),
      HistoryEvent.fromObject({
        eventId: 2,
        ...at(1),
        activityTaskCompletedEventAttributes: { scheduledEventId: 1 },
      }),
    ]);
    expect(told.map(({ text }) => text)).toEqual(['done in 1.0 s: planCopy']);
  });

  it('says what a cutover answered, and of its result no more', () => {
    const done = (result: unknown) =>
      tellHistory([
        scheduled(1, 'cutover'),
        HistoryEvent.fromObject({
          eventId: 2,
          ...at(1),
          activityTaskCompletedEventAttributes: { scheduledEventId: 1, result: payloads(result) },
        }),
      ])[0]?.text;
    const report = { openedAt: '2026-01-01T00:00:00.000Z', downtimeMs: 40, fence: '1.2' };
    expect(done({ done: report })).toBe(
      'done: open for applications since 2026-01-01T00:00:00.000Z, 40 ms after the fence',
    );
    expect(done({ refused: [{ code: 'lag', message: 'behind' }] })).toBe('refused: behind (lag)');
  });

  it('shows of a message what is known to be harmless', () => {
    const [told] = tellHistory([
      HistoryEvent.fromObject({
        eventId: 1,
        ...at(1),
        workflowExecutionSignaledEventAttributes: {
          signalName: 'abort',
          identity: '1@host',
          input: payloads({ dropTarget: true, other: 'secret' }),
        },
      }),
    ]);
    expect(told?.text).toBe('signal with dropTarget, sent by 1@host');
  });

  it('says who has sent a message, and why', () => {
    const tell = (name: string, reason: unknown) =>
      tellHistory([
        HistoryEvent.fromObject({
          eventId: 1,
          ...at(1),
          workflowExecutionUpdateAcceptedEventAttributes: {
            acceptedRequest: {
              meta: { identity: 'ann@desk' },
              input: { name, args: payloads({ reason }) },
            },
          },
        }),
      ])[0]?.text;
    const sent = 'update, sent by ann@desk';
    for (const name of ['pause', 'resume', 'restore', 'restart', 'abort']) {
      expect(tell(name, ' the disk\nis full ')).toBe(`${sent}: the disk is full`);
    }
    expect(tell('pause', 'of mongodb://u:s3cret@host/')).toBe(`${sent}: of mongodb://***@host/`);
    // What is cut off would have told that it is one.
    const long = `${'x'.repeat(180)} mongodb://u:${'s3cret'.repeat(20)}@host/`;
    expect(tell('pause', long)).not.toContain('s3cret');
    expect(tell('pause', 'y'.repeat(900))).toBe(`${sent}: ${'y'.repeat(199)}…`);
    expect(tell('pause', undefined)).toBe(sent);
    expect(tell('pause', 7)).toBe(sent);
    expect(tell('cutover', 'lunch')).toBe(sent);
  });

  it('shows when a cutover is planned', () => {
    const tell = (payload: object) =>
      tellHistory([
        HistoryEvent.fromObject({
          eventId: 1,
          ...at(1),
          workflowExecutionSignaledEventAttributes: {
            signalName: 'cutover',
            identity: '1@host',
            input: payloads(payload),
          },
        }),
      ])[0]?.text;
    expect(tell({ at: '2026-12-01T02:00:00Z', force: ['lag'] })).toBe(
      'signal with force lag with at 2026-12-01T02:00:00Z, sent by 1@host',
    );
    expect(tell({ at: null })).toBe('signal with at null, sent by 1@host');
    expect(tell({ at: 'secret' })).toBe('signal, sent by 1@host');
  });

  it('ends with what is under way', () => {
    const told = tellHistory(
      [],
      [{ activityId: 'replay', attempt: 5, lastFailure: { message: 'no primary' } }],
    );
    expect(told).toMatchObject([
      { what: 'replay', text: 'under way, attempt 5; the attempt before: no primary' },
    ]);
  });
});

describe('the story of a group', () => {
  const event = (seconds: number, attributes: object) =>
    HistoryEvent.fromObject({ eventId: seconds, ...at(seconds), ...attributes });
  const workflowExecution = { workflowId: 'migrate:source:shop.carts' };
  const report = (phase: string) => ({
    workflowExecutionSignaledEventAttributes: {
      signalName: 'collectionReport',
      input: payloads({ namespace: 'shop.carts', phase }),
    },
  });

  it('tells of its collections by their names', () => {
    const told = tellHistory([
      event(1, { childWorkflowExecutionStartedEventAttributes: { workflowExecution } }),
      event(2, {
        signalExternalWorkflowExecutionInitiatedEventAttributes: {
          signalName: 'groupTurn',
          workflowExecution,
        },
      }),
      event(3, report('copying')),
      event(3, report('ready')),
      event(4, {
        childWorkflowExecutionCompletedEventAttributes: {
          workflowExecution,
          result: payloads({ phase: 'completed', openedAt: '2026-01-01T00:00:00.000Z' }),
        },
      }),
      event(5, {
        childWorkflowExecutionFailedEventAttributes: {
          workflowExecution,
          failure: { message: 'child', cause: { message: 'mongodb://u:s3cret@host is away' } },
        },
      }),
      event(6, {
        startChildWorkflowExecutionFailedEventAttributes: workflowExecution,
      }),
    ]);
    expect(new Set(told.map(({ what }) => what))).toEqual(new Set(['shop.carts']));
    expect(told.map(({ text }) => text)).toEqual([
      'its migration has begun',
      'it is its turn to be copied',
      'its changes are captured',
      'is ready',
      'is completed, open since 2026-01-01T00:00:00.000Z',
      'its migration has failed: mongodb://***@host is away',
      'its migration was not started: one of this collection is running already',
    ]);
  });

  it('says of its cutover how many collections are open, or whose fault it is', () => {
    const ended = (result: unknown) =>
      tellHistory([
        event(1, {
          activityTaskScheduledEventAttributes: {
            activityId: 'cutoverTogether',
            activityType: { name: 'cutoverTogether' },
          },
        }),
        event(2, {
          activityTaskCompletedEventAttributes: { scheduledEventId: 1, result: payloads(result) },
        }),
      ])[0]?.text;
    const done = { openedAt: '2026-01-01T00:00:00.000Z', downtimeMs: 40, collections: 3 };
    expect(ended({ done, reports: [] })).toBe(
      'done: 3 collections open for applications since 2026-01-01T00:00:00.000Z, 40 ms after the fence',
    );
    const blocker = { code: 'lag', message: 'behind', namespace: 'shop.carts' };
    expect(ended({ refused: [blocker] })).toBe('refused: shop.carts: behind (lag)');
    expect(ended({ refused: Array.from({ length: 7 }, () => blocker) })).toMatch(
      / and 2 more reasons$/,
    );
  });

  it('shows which collections a message is about', () => {
    const [told] = tellHistory([
      event(1, {
        workflowExecutionSignaledEventAttributes: {
          signalName: 'cutover',
          identity: '1@host',
          input: payloads({ leave: ['shop.carts', 'shop.people'], force: ['lag'] }),
        },
      }),
    ]);
    expect(told?.text).toBe(
      'signal with force lag with leave shop.carts, shop.people, sent by 1@host',
    );
  });
});
