import { Socket } from 'node:net';
import { execa } from 'execa';
import { redact } from '../redact.js';
import { removeConfigFile } from './config-file.js';
import { messageOf, parseLine, type ToolLine } from './progress.js';

/** Milliseconds that a cancelled tool has between SIGTERM and SIGKILL. */
const KILL_DELAY = 5_000;
const TAIL_LINES = 20;
/** Lines of a tool that has begun to work. */
const COUNTING: readonly ToolLine['kind'][] = ['documents', 'bytes', 'dumped', 'restored'];
const TAIL_LINE_LENGTH = 1_000;

// The shell becomes the tool (exec keeps its process id) and leaves a watcher behind. The watcher
// reads a pipe that only the worker holds open: a line means that the tool has ended, end of file
// that the worker died, and then nobody else would end the tool or remove the password's file.
const LEASH = `
secrets=$1
shift
{
  read -r _ || { rm -rf -- "$secrets"; kill -TERM $$; sleep 1; kill -KILL $$; }
} <&3 3<&- >/dev/null 2>&1 &
exec 3<&-
exec "$@"`;

export interface ToolRun {
  readonly binary: string;
  readonly arguments: readonly string[];
  /**
   * Folder with the configuration file, which is removed when the tool has begun to work; the watcher removes the
   * folder if this process dies.
   */
  readonly privateFolder: string;
  /** File descriptors: the data goes from tool to disk and back without passing through Node. */
  readonly stdin?: number;
  readonly stdout?: number;
  readonly signal: AbortSignal;
  /** Texts to hide in what the tool writes, beside every connection string. */
  readonly secrets: readonly string[];
  /** Gets what each line of the tool's standard error says; its text is redacted. */
  readonly onLine: (line: ToolLine) => void;
}

export interface ToolExit {
  /** Undefined when a signal ended the tool, or when it never started. */
  readonly exitCode: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  readonly stderrTail: readonly string[];
}

/**
 * Runs a tool to its end, however that is; the caller judges exit code and lines. On `signal` it gets
 * SIGTERM, and SIGKILL after 5 s; the promise settles once it is gone, and then throws the signal's
 * reason.
 */
export async function runTool(run: ToolRun): Promise<ToolExit> {
  run.signal.throwIfAborted();
  const stderrTail: string[] = [];
  const hide = (text: string): string => redact(text, run.secrets);
  let hasRead = false;
  function* readLine(line: unknown): Generator {
    stderrTail.push(hide(messageOf(String(line))).slice(0, TAIL_LINE_LENGTH));
    if (stderrTail.length > TAIL_LINES) stderrTail.shift();
    // Parsed before it is redacted: a password of digits must not change a count.
    const said = parseLine(String(line));
    // Only a tool that is connected counts. A machine that loses its power takes the watcher with it.
    if (!hasRead && COUNTING.includes(said.kind)) {
      hasRead = true;
      void removeConfigFile(run.privateFolder).catch(() => undefined);
    }
    run.onLine(said.kind === 'refused' ? { ...said, message: hide(said.message) } : said);
    yield line;
  }
  const subprocess = execa(
    '/bin/sh',
    ['-c', LEASH, 'sh', run.privateFolder, run.binary, ...run.arguments],
    {
      stdio: [descriptor(run.stdin), descriptor(run.stdout), readLine, 'pipe'],
      buffer: false,
      reject: false,
      // An interrupt typed at the terminal is the worker's to handle; it decides what ends when.
      detached: true,
      env: withoutSecrets(process.env),
      extendEnv: false,
      cancelSignal: run.signal,
      forceKillAfterDelay: KILL_DELAY,
    },
  );
  const leash: unknown = subprocess.stdio[3];
  subprocess.once('exit', () => {
    if (leash instanceof Socket) leash.end('ended\n');
  });
  const { exitCode, signal } = await subprocess;
  run.signal.throwIfAborted();
  return { exitCode, signal, stderrTail };
}

function descriptor(fd: number | undefined): 3 | 'ignore' {
  return isDescriptor(fd) ? fd : 'ignore';
}

// execa hands every descriptor on as it is; its types know only those below ten.
function isDescriptor(fd: number | undefined): fd is 3 {
  return fd !== undefined;
}

function withoutSecrets(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => !/^(?:MONGODB_URI_|TEMPORAL_)/i.test(name)),
  );
}
