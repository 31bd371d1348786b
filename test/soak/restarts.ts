import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import type { Environment, WorkerProcess } from '../e2e/environment.js';
import { Dice } from './dice.js';

/** What a worker says when it has started, which takes long on a busy machine. */
const READY = 'ready: serving';
/** From there on. A killed worker's activities wait 10 s for their next attempt: without a pause nothing gets done. */
const FIRST_MS: readonly [number, number] = [2_000, 8_000];
const NEXT_MS: readonly [number, number] = [20_000, 45_000];

/** What goes wrong while collections are migrated. */
export interface Disturbances {
  /** What has gone wrong so far. */
  readonly done: readonly string[];
  /** Whether the source's servers are hit too, so that applications have to live with it. */
  readonly hitsSource: boolean;
  /** Begins, with the migrations that are under way. */
  begin(handles: readonly WorkflowHandle[]): void;
  /** The worker is ended, and another one started. */
  restart(): Promise<void>;
  /** Nothing goes wrong from now on; the worker goes on. */
  end(): Promise<void>;
  /** Ends the worker for good. */
  stop(): Promise<void>;
  /** The last warnings and errors of all workers. */
  problems(): readonly string[];
}

/** The warnings and errors in workers' logs, the last ones. */
export function problemsIn(workers: readonly WorkerProcess[]): string[] {
  const lines = workers.flatMap((worker) => worker.log().split('\n'));
  return lines.filter((line) => /"level":"?(warn|error|fatal|[456]0)/.test(line)).slice(-20);
}

/** A worker, ended and started again at moments of a seed's choice, as often as wanted. */
export class Restarts implements Disturbances {
  readonly #environment: Environment;
  readonly #dice: Dice;
  readonly #stopping = new AbortController();
  readonly #logs: WorkerProcess[] = [];
  #worker: WorkerProcess;
  #running: Promise<void> = Promise.resolve();
  /** How the workers ended so far. */
  readonly done: string[] = [];
  readonly hitsSource = false;

  /** Starts the first worker. */
  constructor(environment: Environment, seed: number) {
    this.#environment = environment;
    this.#dice = new Dice('restarts', seed);
    this.#worker = this.#start();
  }

  /** Ends the worker again and again: the first time soon, and then so rarely that the work gets on. */
  begin(): void {
    const run = async (): Promise<void> => {
      const { signal } = this.#stopping;
      for (let [least, most] = FIRST_MS; !signal.aborted; [least, most] = NEXT_MS) {
        const pause = this.#dice.between(least, most);
        while (!signal.aborted && !this.#worker.log().includes(READY)) await sleep(100);
        await sleep(pause, undefined, { signal }).catch(() => {});
        // Once in any case, however little there was time for.
        if (!signal.aborted || this.done.length === 0) await this.restart();
      }
    };
    this.#running = run();
  }

  /** Ends the worker and starts another, at once or after a while. */
  async restart(): Promise<void> {
    const signal = this.#dice.pick(['SIGKILL', 'SIGKILL', 'SIGTERM'] as const);
    this.done.push(signal);
    await this.#worker.kill(signal);
    await sleep(this.#dice.pick([0, 0, 1_500]));
    this.#worker = this.#start();
  }

  /** No restarts from now on; the worker goes on. */
  async end(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  /** Ends the worker for good. */
  async stop(): Promise<void> {
    await this.end();
    await this.#worker.kill('SIGTERM');
  }

  /** The last warnings and errors of all workers. */
  problems(): string[] {
    return problemsIn(this.#logs);
  }

  #start(): WorkerProcess {
    const worker = this.#environment.startWorker({ CSM_LOG_FORMAT: 'json' });
    this.#logs.push(worker);
    return worker;
  }
}
