import type { MongoClient } from 'mongodb';
import { until } from './skipped.js';

/** What workers call themselves at the servers; the tests' own clients have no name. */
export const WORKER = 'changestream-migration';

/** What happens to which commands, as the server's `failCommand` takes it. */
interface FailData {
  readonly failCommands: readonly string[];
  readonly appName?: string;
  readonly blockConnection?: boolean;
  readonly [more: string]: unknown;
}

/** Commands that a server treats in another way for a while. */
export interface FailedCommands {
  /** How many were treated so. */
  readonly hits: () => Promise<number>;
  /** Ends it, and lets go what waits. */
  readonly off: () => Promise<void>;
}

/**
 * Lets commands of one program fail or wait at a server.
 *
 * @param mode how often: `alwaysOn`, a number of times, or all after a number of times
 * @param data what happens, and to which commands; of workers alone unless `appName` says otherwise
 */
export async function failCommand(
  client: MongoClient,
  mode: 'alwaysOn' | { readonly times: number } | { readonly skip: number },
  data: FailData,
): Promise<FailedCommands> {
  const admin = client.db('admin');
  const set = (how: object) => admin.command({ configureFailPoint: 'failCommand', ...how });
  // It counts since the server's start.
  const { count } = await set({ mode, data: { appName: WORKER, ...data } });
  return {
    hits: async () => {
      const { 'failpoint.failCommand': state } = await admin.command({
        getParameter: 1,
        'failpoint.failCommand': 1,
      });
      return Number(state.timesEntered) - Number(count);
    },
    off: () => endFailCommand(client, data),
  };
}

/** Ends what `failCommand` began and lets go what waits: of these commands, or of all that a worker has sent. */
export async function endFailCommand(client: MongoClient, data?: FailData): Promise<void> {
  const admin = client.db('admin');
  // It returns when nothing waits any more.
  const isOff = admin.command({ configureFailPoint: 'failCommand', mode: 'off' });
  if (!data || data.blockConnection === true) await endWaits(client, data);
  await isOff;
}

async function endWaits(client: MongoClient, data?: FailData): Promise<void> {
  const admin = client.db('admin');
  const commands = data && {
    $or: data.failCommands.map((name) => ({ [`command.${name}`]: { $exists: true } })),
  };
  const waiting = admin.aggregate([
    { $currentOp: { allUsers: true } },
    { $match: { appName: data?.appName ?? WORKER, ...commands } },
    { $project: { opid: 1 } },
  ]);
  for await (const { opid } of waiting) await admin.command({ killOp: 1, op: opid });
}

/** Longer than anything that is done meanwhile. */
const WAIT_MS = 10 * 60_000;

/** Commands that wait at a server. */
export interface HeldCommands {
  /** Returns when one waits. */
  readonly isHeld: () => Promise<unknown>;
  /** Lets them go: they fail as killed, and all others are taken again. */
  readonly letGo: () => Promise<void>;
}

/** Lets commands of one program wait at a server until they are let go. */
export async function holdCommands(
  client: MongoClient,
  failCommands: readonly string[],
  appName = WORKER,
): Promise<HeldCommands> {
  const data = { appName, failCommands, blockConnection: true, blockTimeMS: WAIT_MS };
  const { hits, off } = await failCommand(client, 'alwaysOn', data);
  return {
    isHeld: () =>
      until(`${failCommands.join(' or ')} of ${appName}`, async () => (await hits()) > 0),
    letGo: off,
  };
}
