import { Environment } from '../e2e/environment.js';
import { setup } from '../e2e/build.js';
import { commandOf, helpText, readOptions, type SoakOptions } from './options.js';
import { runSoak } from './run.js';

/** Patience beyond the changes, on a machine that does other things too. */
const PATIENCE_MS = 15 * 60_000;

/** Builds, starts servers, soaks. @returns whether all is equal */
async function soak(options: SoakOptions): Promise<boolean> {
  const startedAt = performance.now();
  const seconds = () => ((performance.now() - startedAt) / 1000).toFixed(1).padStart(6);
  const say = (line: string) => console.log(`${seconds()} s  ${line}`);
  say(commandOf(options));
  await setup();
  const environment = await Environment.start({
    patienceMs: options.minutes * 90_000 + PATIENCE_MS,
  });
  const interrupt = () => {
    void environment.stop().finally(() => process.exit(130));
  };
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  let outcome = 'NOT EQUAL';
  try {
    const { problems, changes, documents } = await runSoak(environment, options, say);
    if (problems.length === 0) {
      say(`all equal: ${documents} documents after ${changes} changes, seed ${options.seed}`);
      return true;
    }
    for (const problem of problems) say(problem);
  } catch (error) {
    // Nothing was compared.
    outcome = 'NOT DONE';
    console.error(error);
  } finally {
    await environment.stop();
  }
  say(`${outcome}. The same again: ${commandOf(options)}`);
  return false;
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options) process.exitCode = (await soak(options)) ? 0 : 1;
  else console.log(helpText);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
// Whatever was interrupted half-way would keep the process alive; a pipe takes its last lines first.
process.stdout.write('', () => process.exit());
