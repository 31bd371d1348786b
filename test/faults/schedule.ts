import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { Dice } from '../soak/dice.js';
import { type Disturbances, problemsIn } from '../soak/restarts.js';
import { faultsDuring } from './during/index.js';
import type { Fault, Scene } from './scene.js';

/** Between two faults. The first comes while the copy runs; a killed worker's attempts wait 10 s. */
const FIRST_MS: readonly [number, number] = [1_000, 5_000];
const NEXT_MS: readonly [number, number] = [8_000, 16_000];

/** Faults one after another, in an order that a seed decides: each once before any comes again. */
export class Schedule implements Disturbances {
  readonly done: string[] = [];
  readonly hitsSource: boolean;
  readonly #scene: Scene;
  readonly #dice: Dice;
  readonly #say: (line: string) => void;
  readonly #faults: readonly (readonly [string, Fault])[];
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #failure: unknown;

  /** @param only the fault to repeat; all that the scene has servers for when left out */
  constructor(scene: Scene, seed: number, say: (line: string) => void, only?: readonly string[]) {
    this.#scene = scene;
    this.#dice = new Dice('faults', seed);
    this.#say = say;
    this.#faults = Object.entries(faultsDuring).filter(
      ([name, fault]) => scene.takes(fault) && (only === undefined || only.includes(name)),
    );
    this.hitsSource = this.#faults.some(([, { hitsSource }]) => hitsSource ?? false);
  }

  begin(handles: readonly WorkflowHandle[]): void {
    this.#scene.handles = handles;
    this.#running = this.#run().catch((error: unknown) => {
      this.#failure = error;
      // What waits for the migrations does not know that a fault has left them without a worker.
      this.#say(`  the fault failed: ${String(error)}`);
    });
  }

  async restart(): Promise<void> {
    this.done.push('worker-killed at the cutover');
    await this.#scene.restartWorker('SIGKILL');
  }

  async end(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    if (this.#failure !== undefined) throw this.#failure;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    await Promise.all(this.#scene.workers.map((worker) => worker.kill('SIGTERM')));
  }

  problems(): string[] {
    return problemsIn(this.#scene.workers);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    // What preflight meets is no fault but a reason not to start.
    const { environment, handles } = this.#scene;
    for (const handle of handles) {
      await environment.until(
        handle,
        'the start',
        ({ phase }) => signal.aborted || phase !== 'preflight',
      );
    }
    let left: (readonly [string, Fault])[] = [];
    for (let [least, most] = FIRST_MS; !signal.aborted; [least, most] = NEXT_MS) {
      await sleep(this.#dice.between(least, most), undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      if (left.length === 0) left = [...this.#faults];
      const [next] = left.splice(this.#dice.below(left.length), 1);
      if (!next) return;
      const [name, fault] = next;
      this.#say(`  fault: ${name}`);
      this.done.push(name);
      await fault.run(this.#scene, this.#dice);
    }
  }
}
