import type { WorkflowHandle } from '@temporalio/client';
import type { MigrationStatus } from '../../../src/workflows/status.js';
import { loadItems, Writers } from '../../e2e/writers.js';
import type { Dice } from '../../soak/dice.js';
import type { Scene } from '../scene.js';

/** A migration of its own, to which one thing happens. */
export interface Case {
  /** Does it. @returns what is wrong with how it ended, a line each */
  readonly run: (scene: Scene, dice: Dice, copy: 'dump' | 'direct') => Promise<readonly string[]>;
}

/** Cases by the name that `--only` takes. */
export type Cases = Readonly<Record<string, Case>>;

/** Documents of a case's collection, and changes per second. */
const DOCUMENTS = 5_000;
const RATE = 100;

let serial = 0;

/** A collection with documents in it and an application that writes to it. */
export async function loaded(
  scene: Scene,
  documents = DOCUMENTS,
): Promise<{ name: string; writers: Writers }> {
  serial += 1;
  const name = `case${serial}`;
  await loadItems(scene.client('source'), name, documents);
  return { name, writers: new Writers(scene.client('source'), name, documents, RATE) };
}

/** Lets a migration come to its end. @returns what is wrong with it */
export async function endsEqual(
  scene: Scene,
  { name, writers }: { readonly name: string; readonly writers: Writers },
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
