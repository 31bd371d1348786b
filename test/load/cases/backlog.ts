import type { LoadCase } from '../case.js';
import { Meter } from '../meter.js';
import { finish, judgeMemory, startReady, untilPosition } from '../migration.js';
import { Writers } from '../writers.js';

const NAME = 'items';
const WINDOWS = 5;
const PATIENCE_MS = 3 * 3_600_000;

/** Changes that wait in the buffer while the replay is paused, and are then applied. */
export const backlog: LoadCase = {
  about: 'so many changes wait in the buffer while the replay is paused, and are then replayed',
  defaults: { changes: 2_000_000, documents: 200_000, migrations: 1 },
  environment: { patienceMs: PATIENCE_MS, source: { oplogSizeMB: 4_096 } },
  async run(environment, options, say) {
    const { worker, handle } = await startReady(environment, NAME, options.documents);
    await handle.signal('pause');
    await environment.until(handle, 'the pause', ({ paused }) => paused);
    using meter = new Meter(environment, worker);
    await using writers = new Writers({
      uri: environment.source.uri,
      collections: [NAME],
      documents: options.documents,
      changes: options.changes,
      lanes: 4,
      perBulk: 1_000,
    });
    const until = (isReached: Parameters<typeof untilPosition>[3]) =>
      untilPosition(environment, NAME, meter, isReached, PATIENCE_MS);
    await writers.done();
    const full = await until(({ captured }) => captured >= options.changes);
    say(JSON.stringify(meter.close('captured, paused', full.captured)));
    await handle.signal('resume');
    let before = full.applied;
    for (let window = 1; window <= WINDOWS; window++) {
      const goal = Math.floor(full.applied + (full.waiting * window) / WINDOWS);
      // A range may be more than a window.
      if (before >= goal) continue;
      const { applied } = await until((position) => position.applied >= goal);
      say(JSON.stringify(meter.close(`replayed, ${window}`, applied - before)));
      before = applied;
    }
    const problems = await finish(environment, handle, NAME);
    return { problems: [...problems, ...judgeMemory(meter)], windows: meter.windows };
  },
};
