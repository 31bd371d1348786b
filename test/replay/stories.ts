import { ApplicationFailure } from '@temporalio/common';
import { FakeActivities, untilCancelled } from '../helpers/fake-activities.js';
import type { RunningGroup } from '../helpers/running-group.js';
import type { Running } from '../helpers/workflow-environment.js';

/** Where the recorded histories are. */
export const historiesFolder = new URL('./histories/', import.meta.url);

/** A migration of many collections to be recorded, and with it that of its first collection. */
export interface GroupStory {
  readonly input: object;
  /** What is done to it from outside. */
  readonly follow: (group: RunningGroup) => Promise<unknown>;
}

/** The collections of a recorded group. */
export const groupNames = ['shop.a', 'shop.b', 'shop.c'] as const;

/** The groups whose histories are kept: `<name>.json`, and `<name>-member.json` for the first collection. */
export const groupStories: Readonly<Record<string, GroupStory>> = {
  group: {
    input: { parallelCopies: 2 },
    follow: async (group) => {
      await group.until(({ counts }) => counts.ready === groupNames.length);
      await group.update('pause');
      await group.update('resume');
      await group.update('cutover');
      await group.handle.result();
    },
  },
  // Larger ones keep their place while they look at both sides.
  'group-ordered': {
    input: { parallelCopies: 1 },
    follow: async (group) => {
      await group.until(({ counts }) => counts.ready === groupNames.length);
      await group.update('cutover');
      await group.handle.result();
    },
  },
  // Its collections are told one thing after the other.
  'group-told': {
    input: {},
    follow: async (group) => {
      await group.until(({ counts }) => counts.ready === groupNames.length);
      await Promise.all([group.update('pause'), group.update('tune', { parallelPartitions: 2 })]);
      await group.update('resume');
      await group.update('cutover');
      await group.handle.result();
    },
  },
  'group-left': {
    input: {},
    follow: async (group) => {
      await group.until(({ counts }) => counts.ready === groupNames.length);
      await group.update('cutover', { leave: ['shop.c'] });
      await group.update('abort');
      await group.handle.result().catch(() => undefined);
    },
  },
};

/** A migration to be recorded. */
export interface Story {
  readonly input: object;
  readonly fakes: () => FakeActivities;
  /** What is done to it from outside. */
  readonly follow: (running: Running, fakes: FakeActivities) => Promise<unknown>;
}

const refusal = { refused: [{ code: 'lag', message: 'the target is 99 seconds behind' }] };
const timeIn = (ms: number) => new Date(Date.now() + ms).toISOString();
const plain = () => new FakeActivities();

/** The migrations whose histories are kept, by the name of their file. */
export const stories: Readonly<Record<string, Story>> = {
  dump: { input: {}, fakes: plain, follow: (running) => running.complete() },
  direct: { input: { copy: 'direct' }, fakes: plain, follow: (running) => running.complete() },
  'restore-signal': {
    input: { restore: 'signal' },
    fakes: plain,
    follow: async (running) => {
      await running.signal('cutover');
      await running.signal('cutovr');
      await running.reaches('waiting');
      await running.signal('restore');
      await running.complete();
    },
  },
  'refused-cutover': {
    input: { verify: 'none' },
    fakes: () => plain().once('cutover', async () => refusal),
    follow: async (running) => {
      await running.reaches('ready');
      await running.refused('cutover');
      await running.complete();
    },
  },
  'auto-cutover': {
    input: { cutover: 'auto', copy: 'direct' },
    fakes: () => plain().once('cutover', async () => refusal),
    follow: (running) => running.result(),
  },
  'paused-and-resumed': {
    input: {},
    fakes: plain,
    follow: async (running, fakes) => {
      await running.reaches('ready');
      await running.update('pause');
      await fakes.happened('cancelled replay');
      await running.update('resume');
      await fakes.happened('start replay', 2);
      await running.complete();
    },
  },
  aborted: {
    input: {},
    fakes: plain,
    follow: async (running) => {
      await running.reaches('ready');
      await running.update('abort', { dropTarget: true });
      await running.result();
    },
  },
  // What is under way is cancelled in an order that the history holds, with a timer in the midst.
  'aborted-while-planned': {
    input: { cutover: { at: timeIn(3_600_000) } },
    fakes: () => plain().set('restore', untilCancelled),
    follow: async (running, fakes) => {
      await fakes.happened('start restore-1');
      await running.update('abort');
      await running.result();
    },
  },
  failed: {
    input: {},
    fakes: () =>
      plain().set('renameStaging', async () => {
        throw ApplicationFailure.nonRetryable('the name is taken', 'PreflightFailed');
      }),
    follow: (running) => running.failure(),
  },
  followed: {
    input: {},
    fakes: plain,
    follow: async (running, fakes) => {
      await fakes.happened('start followShape');
      await running.complete();
    },
  },
  // What ran beside the cutover ends while its last steps are done.
  'finished-beside': {
    input: { copy: 'direct' },
    fakes: plain,
    follow: async (running, fakes) => {
      const gate = fakes.gate();
      fakes.set('convertIndexes', () => gate.hold(undefined));
      await running.reaches('ready');
      await running.update('cutover');
      await fakes.happened('cancelled capture');
      gate.open();
      await running.result();
    },
  },
  // Recorded with code that took these signals for mistakes.
  'unknown-signals': {
    input: {},
    fakes: plain,
    follow: async (running) => {
      await running.reaches('ready');
      await running.signal('tune', { verifyDocumentsPerSecond: 5 });
      await running.signal('cutover', { at: timeIn(3_600_000) });
      await running.signal('cutover', { whenLagUnder: 5 });
      await running.signal('cutover', { dryRun: true });
      await running.until(({ rejectedMessages }) => rejectedMessages.length === 4);
      await running.complete();
    },
  },
  // Recorded with code that did not know it.
  'unknown-restart': {
    input: {},
    fakes: plain,
    follow: async (running) => {
      await running.reaches('ready');
      await running.signal('restart');
      await running.until(({ rejectedMessages }) => rejectedMessages.length === 1);
      await running.complete();
    },
  },
  planned: {
    input: { cutover: { whenLagUnder: 5 } },
    fakes: () => plain().once('cutover', async () => refusal),
    follow: async (running) => {
      await running.until(({ lastRefusal }) => lastRefusal !== null);
      await running.update('cutover', { at: timeIn(3_600_000) });
      await running.update('cutover', { dryRun: true });
      await running.signal('cutover', { at: timeIn(1_000) });
      await running.result();
    },
  },
  tuned: {
    input: { parallelPartitions: 1 },
    fakes: plain,
    follow: async (running, fakes) => {
      const gate = fakes.gate();
      fakes.set('restore', () => gate.hold({ documents: 10 }));
      await fakes.happened('start restore-0');
      await running.update('tune', { parallelPartitions: 3, gzip: true });
      await running.signal('tune', { verifyDocumentsPerSecond: 5 });
      await fakes.happened('end tune', 2);
      gate.open();
      await running.complete();
    },
  },
  restarted: {
    input: { cutover: { at: timeIn(3_600_000) }, restore: 'signal' },
    fakes: plain,
    follow: async (running, fakes) => {
      await running.reaches('waiting');
      await running.signal('restart', { reason: 'a test' });
      await fakes.happened('end discardCopy');
      await running.reaches('waiting');
      await running.update('restore');
      await running.reaches('ready');
      await running.update('restart');
      await running.update('pause');
      await fakes.happened('end discardCopy', 2);
      await running.update('resume');
      await running.complete();
    },
  },
  running: { input: {}, fakes: plain, follow: (running) => running.reaches('ready') },
};
