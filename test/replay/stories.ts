import { ApplicationFailure } from '@temporalio/common';
import { FakeActivities } from '../helpers/fake-activities.js';
import type { Running } from '../helpers/workflow-environment.js';

/** Where the recorded histories are. */
export const historiesFolder = new URL('./histories/', import.meta.url);

/** A migration to be recorded. */
export interface Story {
  readonly input: object;
  readonly fakes: () => FakeActivities;
  /** What is done to it from outside. */
  readonly follow: (running: Running, fakes: FakeActivities) => Promise<unknown>;
}

const refusal = { refused: [{ code: 'lag', message: 'the target is 99 seconds behind' }] };
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
  running: { input: {}, fakes: plain, follow: (running) => running.reaches('ready') },
};
