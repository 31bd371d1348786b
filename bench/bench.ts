import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { Environment } from '../test/e2e/environment.js';
import { copyLimit } from './cases/copy-limit.js';
import { cutover } from './cases/cutover.js';
import { indexOrder } from './cases/index-order.js';
import { uniqueIndexes } from './cases/unique-indexes.js';
import { verification } from './cases/verification.js';
import type { BenchCase } from './case.js';
import { alternate } from './runner.js';
import { renderTable, summarise } from './table.js';

const cases: Readonly<Record<string, BenchCase>> = {
  'copy-limit': copyLimit,
  cutover,
  'index-order': indexOrder,
  'unique-indexes': uniqueIndexes,
  verification,
};

const PATIENCE_MS = 3_600_000;

const help = `Measures one case on servers of its own, its variants in turn, round after round.

  npm run bench -- <case> [options]

  --rounds N      how often each variant is measured
  --documents N   documents in the collection
  --rate N        writes per second while it is measured, where the case has writers
  --only TEXT     only variants whose name has this in it
  --against DIR   also measure the worker in DIR/dist/worker.js, of another state of this repository
  --json FILE     write the results there instead of printing them after the table

Cases:
${Object.entries(cases)
  .map(([name, { about }]) => `  ${name.padEnd(15)} ${about}`)
  .join('\n')}`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string' },
    documents: { type: 'string' },
    rate: { type: 'string' },
    only: { type: 'string' },
    against: { type: 'string' },
    json: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
});
const [name = ''] = positionals;
const chosen = cases[name];
if (values.help || !chosen) {
  process.stdout.write(`${help}\n`);
  process.exit(values.help ? 0 : 1);
}
const { defaults } = chosen;
const options = {
  rounds: count('rounds', defaults.rounds),
  documents: count('documents', defaults.documents),
  rate: count('rate', defaults.rate),
  ...(values.against !== undefined && { against: values.against }),
};

const environment = await Environment.start({ patienceMs: PATIENCE_MS });
try {
  say(`${name}: ${JSON.stringify(options)}`);
  const { only = '' } = values;
  const all = await chosen.prepare(environment, options);
  const variants = all.filter((variant) => variant.name.includes(only));
  const results = summarise(await alternate(variants, options.rounds, say));
  const json = JSON.stringify({ case: name, options, results }, null, 1);
  process.stdout.write(`${renderTable(results)}\n`);
  if (values.json === undefined) process.stdout.write(`${json}\n`);
  else await writeFile(values.json, `${json}\n`);
} finally {
  await environment.stop();
}
process.exit();

function count(option: 'rounds' | 'documents' | 'rate', otherwise: number): number {
  const given = values[option];
  const number = given === undefined ? otherwise : Number(given);
  if (Number.isInteger(number) && number > 0) return number;
  process.stderr.write(`--${option} takes a whole number above 0, not "${given}"\n`);
  return process.exit(1);
}

function say(line: string): void {
  process.stderr.write(`${new Date().toISOString()} ${line}\n`);
}
