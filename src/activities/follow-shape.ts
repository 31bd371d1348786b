import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import type { Migration } from '../migration.js';
import type { ShapeDifference } from '../mongo/control-document.js';
import { ShapeFollower } from '../mongo/shape-follower.js';
import { type ActivityDependencies, open, type Opened } from './context.js';
import { Crowd } from '../crowd.js';
import { untilTick } from '../tick.js';
import { type Pulse, withPulse } from './pulse.js';
import { shapeFeatures } from './settle-shape.js';
import { orSucceeded, untilReleased } from './stand-by.js';

/**
 * Between two comparisons of the catalogues, in ms: soon after a difference, while there is none, and once there has
 * been none for so long, and in both cases so many for each collection that this worker follows. A cutover waits for
 * twenty seconds for what differs.
 */
const INTERVAL_MS = {
  different: 2_000,
  same: 4_500,
  later: 7_500,
  laterAfter: 60_000,
  each: 60,
  most: 8_500,
} as const;

const followers = new Crowd();

/** Heartbeat details, for people. */
interface FollowStatus {
  doing: string;
  left: readonly ShapeDifference[];
}

/**
 * Carries changes of indexes and options from the source to the target, until it is cancelled. Safe
 * to run again: each round compares both sides anew, a build that still runs is joined, and what a
 * lost attempt still sends is either harmless or waited for (see `ShapeFollower`).
 */
export async function followShape(deps: ActivityDependencies, migration: Migration): Promise<void> {
  const opened = open(deps, migration);
  const status: FollowStatus = { doing: 'starting', left: [] };
  using _ = followers.join();
  await withPulse(
    () => ({ ...status }),
    async (pulse) => {
      for (;;) {
        status.doing = 'standing by while the cutover holds the migration';
        const document = await untilReleased(opened.control, 'shape', pulse);
        const { shape } = document;
        if (!shape) throw new Error('the control document has no epoch of the shape');
        const follower = new ShapeFollower({
          ...opened,
          epoch: shape.epoch,
          features: shapeFeatures(migration.traits, document),
          signal: pulse.signal,
          sourceUuid: shape.sourceUuid,
        });
        try {
          status.doing = 'waiting until what an earlier attempt has sent cannot come any more';
          await follower.settle(pulse.touch);
          await follow(opened, follower, shape, status, pulse);
        } catch (error) {
          await orSucceeded(opened.control, 'shape', document, error);
        }
      }
    },
  );
}

async function follow(
  { control }: Opened,
  follower: ShapeFollower,
  { epoch, left: before = [] }: { epoch: number; left?: readonly ShapeDifference[] },
  status: FollowStatus,
  { touch, signal }: Pulse,
): Promise<never> {
  let written = JSON.stringify(before);
  let differedAt = Date.now();
  for (;;) {
    const left = await follower.round();
    touch();
    status.left = left;
    status.doing =
      left.length > 0
        ? `carrying ${left.map(({ what }) => what).join(', ')}`
        : 'comparing indexes and options of both sides';
    const text = JSON.stringify(left);
    if (text !== written) {
      await control.advance('shape', epoch, { left });
      written = text;
      const refused = left.filter(({ problem }) => problem !== undefined);
      if (refused.length > 0) Context.current().log.warn('the target refuses', { refused });
    }
    if (left.length > 0) differedAt = Date.now();
    const { different, same, later, laterAfter } = INTERVAL_MS;
    const usual = Date.now() - differedAt < laterAfter ? same : later;
    const rested = followers.stretch(usual, INTERVAL_MS);
    await sleep(left.length > 0 ? different : untilTick(rested), undefined, { signal });
  }
}
