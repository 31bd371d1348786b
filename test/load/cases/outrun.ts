import { setTimeout as sleep } from 'node:timers/promises';
import type { MigrationStatus } from '../../../src/workflows/status.js';
import type { Environment } from '../../e2e/environment.js';
import type { LoadCase } from '../case.js';
import { Meter } from '../meter.js';
import { finish, judgeMemory, positionOf, startReady } from '../migration.js';
import { Writers } from '../writers.js';

const NAME = 'items';
/** What the deletes of each range of the replay wait for at the target, in ms; a status needs none. */
const SLOW_MS = 20_000;
/** Bytes of a change in the buffer, about, and the part of all changes for which it has room: a slow writer fills that too. */
const [CHANGE_BYTES, ROOM] = [550, 0.2];
/** Changes per second at least. */
const PER_SECOND = 1_500;
const PATIENCE_MS = 3_600_000;
const POLL_MS = 500;

/** A source that is written to faster than the target can apply. */
export const outrun: LoadCase = {
  about: 'a source faster than its target: the buffer grows, warns, is full, has room again',
  defaults: { changes: 400_000, documents: 20_000, migrations: 1 },
  environment: {
    patienceMs: PATIENCE_MS,
    target: { args: ['--setParameter', 'enableTestCommands=1'] },
  },
  async run(environment, options, say) {
    const maxBufferBytes = Math.max(1024 ** 2, Math.floor(options.changes * CHANGE_BYTES * ROOM));
    const { worker, handle } = await startReady(environment, NAME, options.documents, {
      maxBufferBytes,
    });
    using meter = new Meter(environment, worker);
    await slowDown(environment, true);
    await using writers = new Writers({
      uri: environment.source.uri,
      collections: [NAME],
      documents: options.documents,
      changes: options.changes,
      lanes: 4,
      perBulk: 100,
      perSecond: Math.max(PER_SECOND, options.changes / 120),
    });
    const done = writers.done();
    const seen = new Map<string, string>();
    const note = (what: string, text = '') => {
      if (seen.has(what)) return;
      seen.set(what, text);
      say(`${what}${text && `: ${text}`}`);
    };
    let capturedWhenFull = 0;
    const look = async (): Promise<MigrationStatus> => {
      const status = await environment.status(handle);
      const { buffer, problem, warnings, captured, blockers } = status;
      if (buffer) meter.sawBuffer(buffer.bytes);
      const warning = warnings.find((each) => each.startsWith('the buffer'));
      if (warning) note('warned', warning);
      if (buffer?.fullSince && problem?.since === buffer.fullSince) {
        note('full', `${problem.what}; ${problem.todo}`);
        capturedWhenFull ||= captured?.events ?? 0;
        if (blockers.some(({ code }) => code === 'lag')) note('a cutover is refused');
        if (status.stalled) note('STALLED');
      }
      const isOn = seen.has('full') && buffer?.fullSince === null;
      if (isOn && (captured?.events ?? 0) > capturedWhenFull) note('went on by itself');
      return status;
    };
    const isEnough = () => ['full', 'a cutover is refused'].every((what) => seen.has(what));
    const deadline = Date.now() + PATIENCE_MS;
    while ((writers.made < options.changes || !isEnough()) && Date.now() < deadline) {
      await look();
      const { captured, waiting } = await positionOf(environment, NAME);
      if (captured >= options.changes && waiting === 0) break;
      await sleep(POLL_MS);
    }
    await done;
    say(JSON.stringify(meter.close('slow target', writers.made)));
    await slowDown(environment, false);
    while (Date.now() < deadline) {
      const { captured } = await look();
      const isOver = seen.has('went on by itself') || !seen.has('full');
      if (isOver && (captured?.events ?? 0) >= options.changes) break;
      await sleep(POLL_MS);
    }
    say(JSON.stringify(meter.close('catches up', options.changes)));
    const problems = await finish(environment, handle, NAME);
    // The warning is told before that, for as long as a fast writer leaves.
    const expected = ['full', 'a cutover is refused', 'went on by itself'];
    const missing = expected.filter((what) => !seen.has(what)).map((what) => `not seen: ${what}`);
    if (seen.has('STALLED')) missing.push('a capture that waits for room was told as stalled');
    return {
      problems: [...problems, ...missing, ...judgeMemory(meter)],
      windows: meter.windows,
    };
  },
};

/** Makes the target's server slow for the replay. */
async function slowDown({ targetClient }: Environment, isSlow: boolean): Promise<void> {
  await targetClient.db('admin').command({
    configureFailPoint: 'failCommand',
    mode: isSlow ? 'alwaysOn' : 'off',
    ...(isSlow && {
      data: {
        failCommands: ['delete'],
        namespace: `shop.${NAME}`,
        blockConnection: true,
        blockTimeMS: SLOW_MS,
      },
    }),
  });
}
