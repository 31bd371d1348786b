import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { MigrationStatus } from './status.js';

/** Payload of a signal or update: nothing, or one JSON object; checked by the handler. */
type Payload = [unknown?];

export const statusQuery = defineQuery<MigrationStatus>('status');

/** Signals and updates have the same names: a signal is sent and forgotten, an update answers. */
export const signals = {
  restore: defineSignal<Payload>('restore'),
  cutover: defineSignal<Payload>('cutover'),
  pause: defineSignal<Payload>('pause'),
  resume: defineSignal<Payload>('resume'),
  tune: defineSignal<Payload>('tune'),
  restart: defineSignal<Payload>('restart'),
  abort: defineSignal<Payload>('abort'),
} as const;

export const updates = {
  restore: defineUpdate<object, Payload>('restore'),
  cutover: defineUpdate<object, Payload>('cutover'),
  pause: defineUpdate<object, Payload>('pause'),
  resume: defineUpdate<object, Payload>('resume'),
  tune: defineUpdate<object, Payload>('tune'),
  restart: defineUpdate<object, Payload>('restart'),
  abort: defineUpdate<object, Payload>('abort'),
} as const;

export type MessageName = keyof typeof signals;

/** What the UI shows beside its forms. */
export const descriptions: Readonly<Record<MessageName | 'status', string>> = {
  status: 'Where the migration stands: phase, lag, counts, what speaks against a cutover.',
  restore:
    'Goes on with the restore after dump and capture, when started with "restore": "signal".',
  cutover:
    'Cuts over now, or later: {"at": "2027-06-01T02:00:00Z"}, {"whenLagUnder": 2, "forSeconds": 60}; {"at": null} withdraws that. Refused with reasons while something speaks against it; {"force": ["lag"]} overrules blockers by their code: verification, differences, refused, lag. The update with {"dryRun": true} only answers what speaks against it.',
  pause: 'Stops copy, replay and verification; capture goes on, so that nothing is lost.',
  resume: 'Ends a pause.',
  tune: 'Changes settings while it runs: {"parallelPartitions": 4, "gzip": true, "copyDocumentsPerSecond": 5000, "copyBytesPerSecond": 5000000, "captureDocumentsPerSecond": 5000, "captureBytesPerSecond": 5000000, "replayBatch": 2000, "verifyDocumentsPerSecond": 5000, "verifyBytesPerSecond": 5000000, "maxBufferBytes": 100000000000}, each optional; a limit of null is none.',
  restart:
    'Discards the copy and begins it anew, for a target that somebody has written to. The capture goes on, so that nothing is lost; {"reason": "…"} is shown in status.',
  abort:
    'Ends the migration and removes what it wrote. {"dropTarget": true} also drops the target collection.',
};
