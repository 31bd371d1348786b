import { setTimeout as sleep } from 'node:timers/promises';
import type { LoadCase } from '../case.js';
import { Meter } from '../meter.js';
import { finish, judgeMemory, loadItems, startAllReady } from '../migration.js';
import { Writers } from '../writers.js';

/** Migrations that are cut over at the same time: each is asked for its status all the time until then. */
const TOGETHER = 5;
const PER_SECOND = 1_000;
const IDLE_MS = 30_000;
const PATIENCE_MS = 3_600_000;

/** Many migrations in one worker. */
export const many: LoadCase = {
  about: 'so many migrations of small collections side by side in one worker, with writers',
  defaults: { changes: 100_000, documents: 1_000, migrations: 50 },
  environment: { patienceMs: PATIENCE_MS },
  async run(environment, options, say) {
    const names = Array.from({ length: options.migrations }, (_, index) => `items${index}`);
    for (const name of names) await loadItems(environment, name, options.documents);
    const worker = environment.startWorker();
    using meter = new Meter(environment, worker);
    await using writers = new Writers({
      uri: environment.source.uri,
      collections: names,
      documents: options.documents,
      changes: options.changes,
      lanes: 4,
      perBulk: 50,
      perSecond: PER_SECOND,
    });
    const done = writers.done();
    const running = await startAllReady(environment, names);
    const made = writers.made;
    say(JSON.stringify(meter.close('until all are ready', made)));
    await done;
    if (made < options.changes) {
      say(JSON.stringify(meter.close('with writers', options.changes - made)));
    }
    const idle = Math.min(IDLE_MS, options.migrations * 1_000);
    await sleep(idle);
    say(JSON.stringify(meter.close('idle, per migration and second', (options.migrations * idle) / 1_000))); // prettier-ignore
    const problems: string[] = [];
    for (let at = 0; at < running.length; at += TOGETHER) {
      const some = running.slice(at, at + TOGETHER);
      const ends = some.map(([name, handle]) => finish(environment, handle, name));
      problems.push(...(await Promise.all(ends)).flat());
    }
    say(JSON.stringify(meter.close('cutovers, per migration', options.migrations)));
    return { problems: [...problems, ...judgeMemory(meter)], windows: meter.windows };
  },
};
