import type { WorkflowHandle } from '@temporalio/client';
import type { MigrationStatus } from '../../../src/workflows/status.js';
import { loadItems, Writers } from '../../e2e/writers.js';
import type { Dice } from '../../soak/dice.js';
import type { Scene } from '../scene.js';

/** A migration of its own, to which one thing happens. */
export interface Case {
  /** Whether it is about dump files, which a direct copy has none of. */
  readonly dumps?: true;
  /**
   * Does it, and sees that it has happened.
   * @returns what is wrong with how it ended, a line each
   * @throws Skipped when it cannot be done here; Error when it has not happened
   */
  readonly run: (scene: Scene, dice: Dice, copy: 'dump' | 'direct') => Promise<readonly string[]>;
}

/** Cases by the name that `--only` takes. */
export type Cases = Readonly<Record<string, Case>>;

/** A collection, and the application that writes to it. */
export interface Items {
  readonly name: string;
  readonly writers: Writers;
}

/** Documents of a case's collection, and changes per second. */
const DOCUMENTS = 5_000;
const RATE = 100;

let serial = 0;
const writing = new Set<Writers>();

/** A collection with documents in it and an application that writes to it. */
export async function loaded(scene: Scene, documents = DOCUMENTS): Promise<Items> {
  serial += 1;
  const name = `case${serial}`;
  await loadItems(scene.client('source'), name, documents);
  const writers = new Writers(scene.client('source'), name, documents, RATE);
  writing.add(writers);
  return { name, writers };
}

/** Ends the applications of all cases so far. */
export async function stopWriters(): Promise<void> {
  await Promise.all([...writing].map((writers) => writers.stop()));
  writing.clear();
}

/** Lets a migration come to its end. @returns what is wrong with it */
export async function endsEqual(
  scene: Scene,
  { name, writers }: Items,
  handle: WorkflowHandle,
): Promise<string[]> {
  await scene.environment.until(handle, 'ready', ({ phase }) => phase === 'ready');
  await writers.stop();
  return isEqual(scene, name, await scene.environment.cutOver(handle));
}

/** @returns what is wrong with a migration that has ended */
export async function isEqual(
  { environment }: Scene,
  name: string,
  status: MigrationStatus,
): Promise<string[]> {
  const problems: string[] = [];
  if (status.phase !== 'completed') problems.push(`phase ${status.phase}`);
  const [source, target] = await environment.hashes(name);
  if (source !== target) problems.push('source and target differ');
  return [...problems, ...(await nothingLeft(environment))];
}

/** Lets a migration fail. @returns what is wrong with how it has failed */
export async function failsWith(
  { environment }: Scene,
  handle: WorkflowHandle,
  type: string,
): Promise<string[]> {
  const outcome: unknown = await handle.result().catch((error: unknown) => error);
  const cause = (outcome as { cause?: { type?: string; message?: string } }).cause;
  const problems = cause?.type === type ? [] : [`ended with ${JSON.stringify(cause ?? outcome)}`];
  return [...problems, ...(await nothingLeft(environment))];
}

/** @returns what a migration that has ended has left, which is wrong */
export async function nothingLeft(environment: Scene['environment']): Promise<string[]> {
  const left = await environment.leftovers();
  return left.length > 0 ? [`left: ${left.join(', ')}`] : [];
}
