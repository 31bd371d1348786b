import { setTimeout as sleep } from 'node:timers/promises';
import { MongoServerError } from 'mongodb';
import { shapeBlocker } from '../blockers.js';
import type { Blocker, Migration, Traits } from '../migration.js';
import { type Catalogue, indexName, readBuilding } from '../mongo/catalogue.js';
import type { ControlDocument, ShapeDifference } from '../mongo/control-document.js';
import type { FinalFeatures } from '../mongo/final-plan.js';
import { hasFlag } from '../mongo/indexes.js';
import { carryStep, readShape, type ShapeNow } from '../mongo/shape.js';
import type { ShapeFeatures } from '../mongo/shape-plan.js';
import { shorten } from '../shorten.js';
import type { Opened } from './context.js';
import type { Pulse } from './pulse.js';

/** What is followed anyway gets this time before a cutover is refused, in ms; none of it is downtime. */
const PATIENCE_MS = 20_000;
const POLL_MS = 250;

/** What the cutover brings into force. */
export interface SettledShape {
  readonly source: Catalogue;
  readonly features: FinalFeatures;
}

/**
 * Looks for indexes and options that the target does not have yet, before anything stands still.
 * Only what takes long, cannot be done or was refused by the target counts; the rest the cutover does itself.
 */
export async function findShapeBlockers(
  opened: Opened,
  migration: Migration,
  { signal, touch }: Pulse,
): Promise<readonly Blocker[]> {
  if (!migration.followsShape) return [];
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const { holder, shape } = await opened.control.read();
    // An attempt before this one has begun: nobody follows until it is over.
    if (holder === 'cutover') return [];
    const now = await readShapeNow(opened, migration, signal);
    const known = new Map((shape?.left ?? []).map((each) => [each.what, each]));
    const isRefused = (what: string) => known.get(what)?.problem !== undefined;
    const found = slow(now, isRefused).map((each) => known.get(each.what) ?? each);
    const change: ShapeDifference[] = shape?.change ? [{ what: shape.change.what }] : [];
    // An index that is dropped and built again is one thing to people.
    const left = [...new Map([...change, ...found].map((each) => [each.what, each])).values()];
    if (left.length === 0) return [];
    const isAnyRefused = left.some(({ problem }) => problem !== undefined);
    if (isAnyRefused || Date.now() > deadline) return [shapeBlocker(left)];
    touch();
    await sleep(POLL_MS, undefined, { signal });
  }
}

/**
 * Reads what the source is like after the fence, and does at the target what is quick: drops,
 * hidden flags, options. An index that is still to be built is refused: applications wait.
 * @param before the source as it was before the fence.
 * @param check throws when another attempt of the cutover has taken over.
 * @throws when another collection has the source's name by now.
 */
export async function settleShape(
  opened: Opened,
  migration: Migration,
  before: Catalogue,
  { signal, touch }: Pulse,
  check: () => Promise<void>,
): Promise<SettledShape | { readonly refused: readonly Blocker[] }> {
  const { features } = migration.traits;
  if (!migration.followsShape) return { source: before, features };
  const now = await readShapeNow(opened, migration, signal);
  if (before.uuid && !now.source.uuid?.equals(before.uuid)) {
    throw new Error(`another collection has the name ${opened.sourceCollection} at the source`);
  }
  const left = slow(now);
  if (left.length > 0) return { refused: [shapeBlocker(left)] };
  for (const step of now.steps) {
    touch();
    await check();
    try {
      await carryStep(opened, step, { signal });
    } catch (error) {
      if (!(error instanceof MongoServerError)) throw error;
      return { refused: [shapeBlocker([{ what: step.what, problem: shorten(error.message) }])] };
    }
  }
  return { source: now.source, features: { ...features, collMod: now.features.collMod } };
}

/** What may be done to the target: as preflight saw it, but for options that it did not take after all. */
export function shapeFeatures(
  { features, preImages }: Traits,
  { leftOut = [] }: Pick<ControlDocument, 'leftOut'>,
): ShapeFeatures {
  const isLeftOut = leftOut.some(({ option }) => option === 'changeStreamPreAndPostImages');
  return { collMod: features.collMod, preImages: preImages && !isLeftOut };
}

/** What the source is like, and of which of its unique indexes it is not known yet whether its documents allow them. */
interface CutoverShape extends ShapeNow {
  readonly unproven: readonly string[];
}

async function readShapeNow(
  opened: Opened,
  { traits }: Migration,
  signal: AbortSignal,
): Promise<CutoverShape> {
  const { source, sourceCollection, control } = opened;
  const readBuilds = () => readBuilding(source, sourceCollection, signal);
  // Before and after the list: one that was begun or given up meanwhile is not taken for one that is ready.
  const [document, before] = await Promise.all([control.read(), readBuilds()]);
  const now = await readShape(opened, shapeFeatures(traits, document), signal);
  if (!now) throw new Error(`${sourceCollection} is no longer at the source`);
  const unique = now.source.indexes.filter((spec) => hasFlag(spec, 'unique')).map(indexName);
  const after = unique.length > 0 ? await readBuilds() : before;
  return { ...now, unproven: unique.filter((name) => before.has(name) || after.has(name)) };
}

/** @param isRefused whether the target has refused something before, by what it is. */
function slow(
  { steps, unproven }: CutoverShape,
  isRefused: (what: string) => boolean = () => false,
): readonly ShapeDifference[] {
  const left = steps.flatMap((step): ShapeDifference[] => {
    if (step.kind === 'impossible') return [{ what: step.what, problem: step.problem }];
    return step.kind === 'create' || isRefused(step.what) ? [{ what: step.what }] : [];
  });
  // The target would be unique where the source may turn out not to be.
  const problem = 'unique, and still being built at the source';
  return [...left, ...unproven.map((name) => ({ what: `index "${name}"`, problem }))];
}
