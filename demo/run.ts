import { setTimeout as sleep } from 'node:timers/promises';
import { displayFor } from './display.js';
import { interruption, Interrupted } from './interruption.js';
import { Stage } from './stage.js';

/** Says how good it was, or goes on for ever once it has noted that in the stage. */
export type Story = (stage: Stage) => Promise<boolean>;

const SIGNAL_MS = 100;

/**
 * Tells a story and cleans up after it, however it ends: by itself, by a failure, or by a signal.
 *
 * @returns the exit code: 0 only when the story says that all is good
 */
export async function run(story: Story): Promise<number> {
  const stage = new Stage(displayFor(process.stdout, process.env));
  const interrupted = interruption(() => write('Still stopping; a moment.'));
  // A reader that is gone, as in `npm run demo | head`, ends the demo too.
  process.stdout.on('error', () => process.emit('SIGTERM'));
  let exitCode = 1;
  try {
    const isGood = await Promise.race([story(stage), stage.failed, interrupted]);
    exitCode = isGood ? 0 : 1;
  } catch (failure) {
    stage.display.close();
    // Ctrl-C reaches the children too: what they fail with may come before the signal does.
    const error = await Promise.race([interrupted.catch(itself), sleep(SIGNAL_MS, failure)]);
    if (error instanceof Interrupted) {
      exitCode = stage.isProven ? 0 : error.exitCode;
      write(`\n${error.message}: stopping everything.`);
    } else await explain(error, stage);
  }
  stage.display.close();
  try {
    await stage.cleanup.run();
    write(
      exitCode === 1 ? 'Everything is stopped and removed.' : 'Stopped; nothing is left behind.',
    );
  } catch (error) {
    write(`Cleaning up failed: ${messageOf(error)}`);
    exitCode ||= 1;
  }
  return exitCode;
}

function itself(error: unknown): unknown {
  return error;
}

async function explain(error: unknown, { logTail }: Stage): Promise<void> {
  const message = messageOf(error);
  write(`\nThe demo failed: ${message}`);
  if (logTail === undefined || message.includes('log ends with')) return;
  write((await logTail()).replace(/^./, (first) => first.toUpperCase()));
}

/** The message, and that of its cause, which with Temporal holds the reason. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { message, cause } = error;
  if (!(cause instanceof Error) || message.includes(cause.message)) return message;
  return `${message}: ${cause.message}`;
}

function write(line: string): void {
  process.stderr.write(`${line}\n`);
}
