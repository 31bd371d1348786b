import { setup } from '../e2e/build.js';
import { commandOf, type FaultOptions, helpText, readOptions } from './options.js';
import { runCases, runSchedule } from './run.js';
import { Scene } from './scene.js';

/** Patience beyond the faults, on a machine that does other things too. */
const PATIENCE_MS = 6 * 60_000;
/** So small that a test can roll it over. */
const OPLOG_MB = 16;

/** Builds, starts servers, breaks them. @returns whether everything ended as it has to */
async function breakAll(options: FaultOptions): Promise<boolean> {
  const startedAt = performance.now();
  const seconds = () => ((performance.now() - startedAt) / 1000).toFixed(1).padStart(6);
  const say = (line: string) => console.log(`${seconds()} s  ${line}`);
  say(commandOf(options));
  await setup();
  const { members, sourceMembers, minutes } = options;
  const scene = await Scene.start({
    members: { source: sourceMembers, target: members },
    patienceMs: minutes * 60_000 + PATIENCE_MS,
    ...(options.alone && { oplogSizeMB: OPLOG_MB }),
  });
  const interrupt = () => {
    void scene[Symbol.asyncDispose]().finally(() => process.exit(130));
  };
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  try {
    if (options.alone) {
      if ((await runCases(scene, options, say)).verdict().length === 0) return true;
    } else {
      const { problems, changes, documents, restarts } = await runSchedule(scene, options, say);
      if (problems.length === 0) {
        say(`all equal: ${documents} documents after ${changes} changes and ${restarts} faults`);
        return true;
      }
      for (const problem of problems) say(problem);
    }
  } catch (error) {
    console.error(error);
  } finally {
    await scene[Symbol.asyncDispose]();
  }
  say(`NOT AS IT HAS TO BE. The same again: ${commandOf(options)}`);
  return false;
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options) process.exitCode = (await breakAll(options)) ? 0 : 1;
  else console.log(helpText);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
// Whatever was interrupted half-way would keep the process alive; a pipe takes its last lines first.
process.stdout.write('', () => process.exit());
