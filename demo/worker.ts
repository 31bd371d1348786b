import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { Child } from '../embedded/child.js';
import type { MongoTools } from '../embedded/index.js';

/** What the worker has to know. */
export interface WorkerSettings {
  /** A folder for its log and dump files. */
  readonly folder: string;
  readonly sourceUri: string;
  readonly targetUri: string;
  readonly temporalAddress: string;
  readonly tools: MongoTools;
}

const WORKER = fileURLToPath(new URL('../src/worker.ts', import.meta.url));
const TSX = import.meta.resolve('tsx');
const READY = 'ready: serving';
const READY_TIMEOUT_MS = 60_000;
/** Variables by which the reader's own set-up would get into the demo's worker. */
const OTHERS = /^(TEMPORAL_|MONGODB_URI_|CSM_|WORKER_HOST$)/;

/** The product's worker as a child process, exactly as `npm start` runs it. */
export class Worker {
  /** Rejects when the worker ends; never resolves. */
  readonly failed: Promise<never>;
  readonly #child: Child;
  readonly #logFile: string;

  private constructor(child: Child, logFile: string) {
    this.#child = child;
    this.#logFile = logFile;
    this.failed = child.ended.then(async (status) => {
      throw new Error(`the worker ended with status ${status}; ${await this.logTail()}`);
    });
    this.failed.catch(() => {});
  }

  /** Starts it. @throws Error when there is no shell to start it with */
  static async start(settings: WorkerSettings): Promise<Worker> {
    const { folder } = settings;
    const logFile = join(folder, 'worker.log');
    const child = await Child.start({
      // In a folder where no .env of the reader's is; exec, so that the shell's process id is the worker's.
      command: '/bin/sh',
      args: ['-c', 'cd "$0" && exec "$@"', folder, process.execPath, '--import', TSX, WORKER],
      logFile,
      env: environmentOf(settings),
      removeIfOrphaned: folder,
    });
    return new Worker(child, logFile);
  }

  /** Waits until it takes work. @throws Error with the end of its log when it does not within a minute */
  async ready(): Promise<void> {
    const deadline = performance.now() + READY_TIMEOUT_MS;
    while (!(await this.#log()).includes(READY)) {
      if (!this.#child.running) return this.failed;
      if (performance.now() > deadline) {
        throw new Error(`the worker is not ready after a minute; ${await this.logTail()}`);
      }
      await sleep(100);
    }
  }

  /** The end of its log, as part of a message. */
  async logTail(lines = 15): Promise<string> {
    const last = (await this.#log()).trimEnd().split('\n').slice(-lines);
    return `the worker's log ends with:\n${last.map((line) => `  ${line}`).join('\n')}`;
  }

  /** Ends it in good order. */
  async stop(): Promise<void> {
    await this.#child.stop();
  }

  #log(): Promise<string> {
    return readFile(this.#logFile, 'utf8').catch(() => '');
  }
}

function environmentOf(settings: WorkerSettings): NodeJS.ProcessEnv {
  const { folder, sourceUri, targetUri, temporalAddress, tools } = settings;
  const inherited = Object.entries(process.env).filter(([name]) => !OTHERS.test(name));
  return {
    ...Object.fromEntries(inherited),
    MONGODB_URI_SOURCE: sourceUri,
    MONGODB_URI_TARGET: targetUri,
    TEMPORAL_ADDRESS: temporalAddress,
    // There is none: the reader's own temporal.toml is not for the demo.
    TEMPORAL_CONFIG_FILE: join(folder, 'temporal.toml'),
    MONGODUMP_BIN: tools.mongodump,
    MONGORESTORE_BIN: tools.mongorestore,
    CSM_DUMP_FOLDER: join(folder, 'dump'),
    CSM_SHUTDOWN_GRACE_SECONDS: '5',
  };
}
