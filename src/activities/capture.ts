import { Context } from '@temporalio/activity';
import { failpoint } from '../failpoint.js';
import type { Timestamp } from 'mongodb';
import type { Migration } from '../migration.js';
import { Buffered } from '../mongo/buffer.js';
import { captureChanges, type CaptureCommit } from '../mongo/capture.js';
import { FencedError } from '../mongo/control.js';
import type { ControlDocument } from '../mongo/control-document.js';
import { readOperationTime, recentClusterTime } from '../mongo/operation-time.js';
import { recentWindow } from '../mongo/oplog-window.js';
import { Rate } from '../mongo/rate.js';
import { Standstill } from '../mongo/standstill.js';
import { parseNamespace } from '../names.js';
import { shorten, SHOWN_TOKEN } from '../shorten.js';
import { type ActivityDependencies, open, type Opened } from './context.js';
import { type Pulse, withPulse } from './pulse.js';
import { Crowd } from '../crowd.js';
import { CaptureRoom } from './capture-room.js';
import { CaptureLimits } from './live-limits.js';
import { orSucceeded, untilReleased } from './stand-by.js';

/** How long a request waits at the source for new events, in ms. */
const MAX_AWAIT_MS = 2_000;
/**
 * On an idle source the token moves all the time; it is written after so many ms at the earliest, so many for each
 * collection that this worker captures, and less often once nothing has changed for so long.
 */
const IDLE_WRITE_MS = {
  atFirst: 1_000,
  later: 3_000,
  laterAfter: 60_000,
  each: 20,
  most: 3_000,
} as const;
const OPLOG_PROBE_MS = 10 * 60_000;
/** What waits for long writes after so many ms that it is there: it would count as stalled, or as given up. */
const ALIVE_MS = 5_000;
/** How often the stream's position is held against the source's own time, in ms. */
const STANDSTILL_LOOK_MS = 10_000;

const captures = new Crowd();

/** Heartbeat details of capture, for people; a new attempt goes on from the control document. */
export interface CaptureHeartbeat {
  readonly doing: string;
  readonly resumeToken: string;
  readonly events: number;
  readonly eventsPerSecond: number;
  readonly readUpTo: string;
}

/**
 * Keeps every change of the source collection in the buffer at the target, from the start token
 * until it is cancelled. Safe to run again: a new attempt
 * goes on where the control document says that all before is durable.
 */
export async function capture(deps: ActivityDependencies, migration: Migration): Promise<void> {
  const opened = open(deps, migration);
  const status: CaptureHeartbeat & { [K in keyof CaptureHeartbeat]: CaptureHeartbeat[K] } = {
    doing: 'starting',
    resumeToken: '',
    events: 0,
    eventsPerSecond: 0,
    readUpTo: '',
  };
  const show = (fields: Partial<CaptureHeartbeat>) => Object.assign(status, fields);
  using _ = captures.join();
  await withPulse(
    () => ({ ...status }),
    async (pulse) => {
      for (;;) {
        show({ doing: 'standing by while the cutover holds the migration' });
        const taken = await untilReleased(opened.control, 'capture', pulse);
        try {
          await captureEpoch(deps, migration, opened, taken, pulse, show);
        } catch (error) {
          if (!(error instanceof FencedError)) throw error;
          await orSucceeded(opened.control, 'capture', taken, error);
        }
      }
    },
  );
}

async function captureEpoch(
  deps: ActivityDependencies,
  migration: Migration,
  opened: Opened,
  taken: ControlDocument,
  pulse: Pulse,
  show: (fields: Partial<CaptureHeartbeat>) => void,
): Promise<void> {
  const { control, target, targetCollection } = opened;
  const { db, collection } = parseNamespace(migration.options.namespace);
  const { epoch } = taken.capture;
  let { through = taken.startToken } = taken.capture;
  if (!through) throw new Error('the control document has no token to start from');
  const rate = new Rate();
  let { events } = taken.capture;
  let writtenAt = 0;
  let changedAt = Date.now();
  let position: Timestamp | undefined;
  const limits = new CaptureLimits(migration.options, taken);
  using room = new CaptureRoom(opened, migration, taken);
  const onCommit = async (commit: CaptureCommit): Promise<void> => {
    pulse.touch();
    position = commit.time;
    through = commit.token;
    room.add(commit.bytes);
    events += commit.events;
    const perSecond = rate.add(commit.events);
    const { sharedBy } = commit;
    show({
      doing:
        sharedBy === undefined
          ? 'reading the change stream'
          : `reading the change stream of the database, for ${sharedBy} collections`,
      resumeToken: shorten(commit.token._data, SHOWN_TOKEN),
      events,
      eventsPerSecond: perSecond,
      readUpTo: commit.asOf.toISOString(),
    });
    const now = Date.now();
    if (commit.events > 0) changedAt = now;
    const { atFirst, later, laterAfter } = IDLE_WRITE_MS;
    const usual = now - changedAt < laterAfter ? atFirst : later;
    const restMs = captures.stretch(usual, IDLE_WRITE_MS);
    if (commit.events === 0 && now - writtenAt < restMs) return;
    writtenAt = now;
    if (commit.events > 0) failpoint('changes-stored');
    const document = await control.advance(
      'capture',
      epoch,
      {
        through: commit.token,
        time: commit.time,
        asOf: commit.asOf,
        readAsOf: commit.readAsOf,
        rate: perSecond,
        ...room.state,
      },
      { events: commit.events, buffered: commit.buffered, bytes: commit.bytes },
    );
    limits.hear(document);
    deps.wakeups.wake(migration.runId, { document });
  };
  const buffer = await Buffered.open(target, targetCollection, taken.bufferUuid);
  const pinned = await deps.connections.pinned(migration.options.source);
  const probe = (): void => {
    measureOplog(deps, migration, collection, epoch, pulse).catch((error: unknown) =>
      Context.current().log.debug('the oplog window could not be measured', { error }),
    );
  };
  const probing = setInterval(probe, OPLOG_PROBE_MS);
  probe();
  let standstill = new Standstill();
  let standsSince = taken.capture.standsSince ?? undefined;
  const looking = setInterval(() => {
    const look = async (): Promise<void> => {
      if (!position || !room.isOpen) return;
      const now = await recentClusterTime(opened.source, STANDSTILL_LOOK_MS / 2);
      const since = standstill.look(position, now);
      if (since?.getTime() === standsSince?.getTime()) return;
      standsSince = since;
      await control.advance('capture', epoch, { standsSince: since ?? null });
    };
    // The capture itself meets whatever is wrong here, and says so.
    look().catch(() => undefined);
  }, STANDSTILL_LOOK_MS);
  /** Standing still is no fault while it has to wait, and what was seen before says nothing after it. */
  const forgetStandstill = (): void => {
    standstill = new Standstill();
    standsSince = undefined;
  };
  const onWait = async (what: 'reply' | 'limit'): Promise<void> => {
    pulse.touch();
    const now = Date.now();
    const isSearching = what === 'reply';
    // What is on record of a standstill goes with what is remembered of it.
    if (now - writtenAt < ALIVE_MS && (isSearching || standsSince === undefined)) return;
    writtenAt = now;
    if (isSearching) {
      show({ doing: 'waiting for the source, which searches its oplog', eventsPerSecond: 0 });
    } else forgetStandstill();
    const fields = { ...room.state, ...(isSearching ? { rate: 0 } : { standsSince: null }) };
    limits.hear(await control.advance('capture', epoch, fields));
  };
  try {
    // It ends when the buffer is full: a stream that waits for long would be closed by the server.
    for (;;) {
      await room.wait(pulse, () => {
        show({ doing: 'waiting for room in the buffer', eventsPerSecond: 0 });
        forgetStandstill();
      });
      show({ doing: 'reading the change stream' });
      const source = pinned.db(db);
      await captureChanges({
        source,
        collection,
        shared: migration.options.capture === 'shared' ? deps.sharedStreams.of(source) : undefined,
        buffer,
        limits,
        start: through,
        natural: migration.traits.capped,
        clustered: migration.traits.clustered,
        mayRead: () => room.isOpen,
        maxAwaitMs: MAX_AWAIT_MS,
        signal: pulse.signal,
        touch: pulse.touch,
        onWait,
        onCommit,
      });
    }
  } finally {
    clearInterval(probing);
    clearInterval(looking);
  }
}

/** Records how many hours of change stream history the source holds. */
async function measureOplog(
  deps: ActivityDependencies,
  migration: Migration,
  collection: string,
  epoch: number,
  { signal }: Pulse,
): Promise<void> {
  const { control, source } = open(deps, migration);
  const now = await readOperationTime(source);
  const { hours } = await recentWindow(source, collection, now, signal);
  await control.advance('capture', epoch, { oplogHours: hours });
}
