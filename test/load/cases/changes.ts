import type { LoadCase } from '../case.js';
import { Meter } from '../meter.js';
import { finish, judgeMemory, startReady, untilPosition } from '../migration.js';
import { Writers } from '../writers.js';

const NAME = 'items';
const WINDOWS = 10;
/** Changes by which the writers are ahead of replay and comparison at most: a day has 24 hours for them. */
const AHEAD = 200_000;
const PATIENCE_MS = 3 * 3_600_000;

/** Very many changes of one migration: neither memory nor the cost of an event may grow. */
export const changes: LoadCase = {
  about: 'one migration under so many changes, in ten windows: memory and cost per event stay flat',
  defaults: { changes: 5_000_000, documents: 200_000, migrations: 1 },
  environment: { patienceMs: PATIENCE_MS, source: { oplogSizeMB: 4_096 } },
  async run(environment, options, say) {
    const { worker, handle } = await startReady(environment, NAME, options.documents);
    using meter = new Meter(environment, worker);
    await using writers = new Writers(
      {
        uri: environment.source.uri,
        collections: [NAME],
        documents: options.documents,
        changes: options.changes,
        lanes: 4,
        perBulk: 1_000,
      },
      AHEAD,
    );
    const done = writers.done();
    let before = 0;
    for (let window = 1; window <= WINDOWS; window++) {
      const goal = Math.floor((options.changes * window) / WINDOWS);
      const reached = untilPosition(
        environment,
        NAME,
        meter,
        ({ captured, kept }) => {
          writers.allow(captured - kept + AHEAD);
          return captured >= goal;
        },
        PATIENCE_MS,
      );
      const { captured } = await Promise.race([reached, done.then(() => reached)]);
      say(JSON.stringify(meter.close(`${window}`, captured - before)));
      before = captured;
    }
    await done;
    const problems = await finish(environment, handle, NAME);
    return { problems: [...problems, ...judgeMemory(meter)], windows: meter.windows };
  },
};
