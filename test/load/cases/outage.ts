import { type LoadCase, MOST_MB } from '../case.js';
import { Meter } from '../meter.js';
import { finish, judgeMemory, loadItems, startAllReady, untilPosition } from '../migration.js';
import { Writers } from '../writers.js';

const PATIENCE_MS = 3_600_000;
/** What each migration may take beside what the worker may, in MB: far less than one takes that is behind alone. */
const MORE_MB = 16;

/** Many migrations whose worker is away while their collections are written to. */
export const outage: LoadCase = {
  about: 'a worker that finds that many migrations have fallen behind while there was none',
  defaults: { changes: 1_500_000, documents: 20_000, migrations: 30 },
  environment: { patienceMs: PATIENCE_MS, source: { oplogSizeMB: 4_096 } },
  async run(environment, options, say) {
    const names = Array.from({ length: options.migrations }, (_, index) => `items${index}`);
    for (const name of names) await loadItems(environment, name, options.documents);
    const before = environment.startWorker();
    const running = await startAllReady(environment, names, { copy: 'direct' });
    await before.kill('SIGKILL');
    say('all are ready; no worker from here on');
    await using writers = new Writers({
      uri: environment.source.uri,
      collections: names,
      documents: options.documents,
      changes: options.changes,
      lanes: 4,
      perBulk: 1_000,
    });
    await writers.done();
    say('written');
    using meter = new Meter(environment, environment.startWorker());
    const each = Math.floor(options.changes / names.length);
    for (const name of names) {
      // Collections get bulks in turn, so that they have about as many each.
      const isThere = ({ captured, waiting }: { captured: number; waiting: number }) =>
        captured > each * 0.9 && waiting === 0;
      await untilPosition(environment, name, meter, isThere, PATIENCE_MS);
    }
    say(JSON.stringify(meter.close('until all are there', options.changes)));
    const problems: string[] = [];
    for (const [name, handle] of running) {
      problems.push(...(await finish(environment, handle, name)));
    }
    say(JSON.stringify(meter.close('cutovers', names.length)));
    const memory = judgeMemory(meter, MOST_MB + MORE_MB * names.length);
    return { problems: [...problems, ...memory], windows: meter.windows };
  },
};
