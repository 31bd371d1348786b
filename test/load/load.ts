import { parseArgs } from 'node:util';
import { Environment } from '../e2e/environment.js';
import { setup } from '../e2e/build.js';
import type { LoadCase, LoadOptions } from './case.js';
import { cases } from './cases/index.js';
import { renderWindows } from './meter.js';

const help = `Puts a load on migrations and measures what it costs, on servers of its own.

  npm run test:load -- --case NAME [options]

  --changes N      changes that the writers make
  --documents N    documents of each collection before its migration
  --migrations N   migrations side by side, where the case has several

Cases:
${Object.entries(cases)
  .map(([name, { about }]) => `  ${name.padEnd(10)} ${about}`)
  .join('\n')}

Exits with 0 only if both sides are equal and the worker stayed within its memory.`;

const numbers = { changes: { type: 'string' }, documents: { type: 'string' }, migrations: { type: 'string' } } as const; // prettier-ignore

/** Builds, starts servers, runs one case. @returns whether all is as it has to be */
async function load(chosen: LoadCase, options: LoadOptions): Promise<boolean> {
  const startedAt = performance.now();
  const seconds = () => ((performance.now() - startedAt) / 1000).toFixed(1).padStart(7);
  const say = (line: string) => console.log(`${seconds()} s  ${line}`);
  await setup();
  const environment = await Environment.start(chosen.environment);
  const interrupt = () => {
    void environment.stop().finally(() => process.exit(130));
  };
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  try {
    say(JSON.stringify(options));
    const { problems, windows } = await chosen.run(environment, options, say);
    console.log(`\n${renderWindows(windows)}\n`);
    for (const problem of problems) say(problem);
    say(problems.length === 0 ? 'equal, and within its memory' : 'NOT as it has to be');
    return problems.length === 0;
  } catch (error) {
    console.error(error);
    return false;
  } finally {
    await environment.stop();
  }
}

function readOptions(): { chosen: LoadCase; options: LoadOptions } | undefined {
  const { values } = parseArgs({
    options: { case: { type: 'string' }, help: { type: 'boolean', short: 'h' }, ...numbers },
  });
  if (values.help) return undefined;
  const chosen = cases[values.case ?? ''];
  if (!chosen) throw new Error(`--case takes one of: ${Object.keys(cases).join(', ')}`);
  const given = Object.keys(numbers) as (keyof typeof numbers)[];
  const read = given.flatMap((name): [string, number][] => {
    const text = values[name];
    if (text === undefined) return [];
    const number = Number(text);
    if (!Number.isInteger(number) || number < 1) {
      throw new Error(`--${name} takes a whole number above 0, not "${text}"`);
    }
    return [[name, number]];
  });
  return { chosen, options: { ...chosen.defaults, ...Object.fromEntries(read) } };
}

try {
  const given = readOptions();
  if (given) process.exitCode = (await load(given.chosen, given.options)) ? 0 : 1;
  else console.log(help);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
// Whatever was interrupted half-way would keep the process alive; a pipe takes its last lines first.
process.stdout.write('', () => process.exit());
