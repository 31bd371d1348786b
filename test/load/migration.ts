import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import type { ControlDocument } from '../../src/mongo/control-document.js';
import { changesIn, measureBuffer } from '../../src/mongo/buffer.js';
import { appliedChanges } from '../../src/mongo/lag.js';
import type { Environment, WorkerProcess } from '../e2e/environment.js';
import { itemOf, type Item } from './changes.js';
import { MOST_MB } from './case.js';
import type { Meter } from './meter.js';

const POLL_MS = 250;
const INSERT = 5_000;

/** Fills a collection of the source with documents. */
export async function loadItems(
  { sourceClient }: Environment,
  name: string,
  documents: number,
): Promise<void> {
  const collection = sourceClient.db('shop').collection<Item>(name);
  for (let at = 0; at < documents; at += INSERT) {
    const length = Math.min(INSERT, documents - at);
    await collection.insertMany(Array.from({ length }, (_, index) => itemOf(at + index)));
  }
}

/** A collection with documents in it, its migration that is ready, and the worker that has moved it. */
export async function startReady(
  environment: Environment,
  name: string,
  documents: number,
  options: Readonly<Record<string, unknown>> = {},
): Promise<{ worker: WorkerProcess; handle: WorkflowHandle }> {
  await loadItems(environment, name, documents);
  const worker = environment.startWorker();
  const handle = await environment.migrate(name, options);
  await environment.until(handle, 'ready', ({ phase }) => phase === 'ready');
  return { worker, handle };
}

/** Migrations of collections that are there, all of which are ready, by the name of each. */
export async function startAllReady(
  environment: Environment,
  names: readonly string[],
  options: Readonly<Record<string, unknown>> = {},
): Promise<[string, WorkflowHandle][]> {
  const running: [string, WorkflowHandle][] = [];
  for (const name of names) running.push([name, await environment.migrate(name, options)]);
  for (const [, handle] of running) {
    await environment.until(handle, 'ready', ({ phase }) => phase === 'ready');
  }
  return running;
}

/** How far a migration is, by its control document: a query of its own would add to the worker's work. */
export interface Position {
  /** Events read from the stream. */
  readonly captured: number;
  /** Changes in the buffer that are not applied yet. */
  readonly waiting: number;
  readonly applied: number;
  /** Changes in the buffer, also those that are applied and not compared yet. */
  readonly kept: number;
  readonly bufferBytes: number;
}

/** Looks where a migration is. */
export async function positionOf({ targetClient }: Environment, name: string): Promise<Position> {
  const db = targetClient.db('shop');
  const [control, bytes] = await Promise.all([
    db.collection<ControlDocument>('cdc').findOne({ _id: name }),
    measureBuffer(db, name),
  ]);
  const { events = 0, buffered = 0 } = control?.capture ?? {};
  const applied = control ? appliedChanges(control) : 0;
  const kept = changesIn(bytes, control?.capture);
  return { captured: events, waiting: buffered - applied, applied, kept, bufferBytes: bytes };
}

/** Looks again and again until it is as wanted. */
export async function untilPosition(
  environment: Environment,
  name: string,
  meter: Meter,
  isReached: (position: Position) => boolean,
  patienceMs: number,
): Promise<Position> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const position = await positionOf(environment, name);
    meter.sawBuffer(position.bufferBytes);
    if (isReached(position)) return position;
    if (Date.now() > deadline) throw new Error(`waited in vain: ${JSON.stringify(position)}`);
    await sleep(POLL_MS);
  }
}

/** Cuts over, compares both sides by the servers' own hashes, and looks at what is left. */
export async function finish(
  environment: Environment,
  handle: WorkflowHandle,
  name: string,
): Promise<string[]> {
  const { phase, verification } = await environment.cutOver(handle);
  const [source, target] = await environment.hashes(name);
  const { differing = 0, missing = 0, extra = 0 } = verification.report ?? {};
  return [
    ...(phase === 'completed' ? [] : [`${name} ended as ${phase}`]),
    ...(source === target ? [] : [`${name}: source ${source}, target ${target}`]),
    ...(differing + missing + extra === 0 ? [] : [`${name}: the comparison has found differences`]),
  ];
}

/** Says whether the worker has stayed within its memory, in MB. */
export function judgeMemory({ mostMb }: Meter, allowed = MOST_MB): string[] {
  return mostMb <= allowed ? [] : [`the worker has taken ${mostMb} MB; allowed are ${allowed}`];
}
