import { writeFile } from 'node:fs/promises';
import { Environment } from '../test/e2e/environment.js';
import type { BenchCase, BenchOptions, Variant } from './case.js';
import { drawChart } from './chart.js';
import { help, readOrder } from './options.js';
import { profiled } from './profile.js';
import { alternate } from './runner.js';
import { type CaseResults, renderTable, summarise } from './table.js';

const PATIENCE_MS = 3_600_000;
/** Each answer costs the worker and the servers some of what is measured. */
const POLL_MS = 500;
/**
 * What is measured has room in the servers' caches, as it would have on machines of their own. The source's oplog has to
 * hold all that a case writes: what is captured is read from its beginning in each round.
 */
const SERVERS = {
  source: { cacheSizeGB: 4, oplogSizeMB: 16_000 },
  target: { cacheSizeGB: 4 },
} as const;

try {
  const order = readOrder(process.argv.slice(2));
  if (!order) process.stdout.write(`${help}\n`);
  else {
    const all: CaseResults[] = [];
    for (const { name, bench, options } of order.chosen) {
      all.push(await measure(name, bench, options, order.only));
      // After each case: a run of all of them takes hours.
      if (order.json !== undefined)
        await writeFile(order.json, `${JSON.stringify(all, null, 1)}\n`);
      if (order.chart !== undefined) await writeFile(order.chart, drawChart(all));
    }
  }
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
process.exit();

/** Measures one case on servers of its own. */
async function measure(
  name: string,
  bench: BenchCase,
  options: BenchOptions,
  only: string,
): Promise<CaseResults> {
  say(`${name}: ${JSON.stringify(options)}`);
  const environment = await Environment.start({
    patienceMs: PATIENCE_MS,
    pollMs: POLL_MS,
    ...SERVERS,
  });
  try {
    const variants = await bench.prepare(environment, options);
    const wanted = variants.filter((variant) => variant.name.includes(only));
    const { profile: folder, rounds } = options;
    const measured = wanted.map((variant): Variant => {
      if (folder === undefined) return variant;
      return { ...variant, run: () => profiled(folder, `${name}, ${variant.name}`, variant.run) };
    });
    const results = summarise(await alternate(measured, rounds, say));
    const found = { case: name, figure: bench.figure, options, results };
    process.stdout.write(`\n## ${name}\n\n${renderTable(found)}\n`);
    return found;
  } finally {
    await environment.stop();
  }
}

function say(line: string): void {
  process.stderr.write(`${new Date().toISOString()} ${line}\n`);
}
