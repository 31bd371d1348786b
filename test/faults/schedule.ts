import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { Dice } from '../soak/dice.js';
import { type Disturbances, problemsIn } from '../soak/restarts.js';
import { faultsDuring } from './during/index.js';
import type { FaultOptions } from './options.js';
import { reasonOf, Report } from './report.js';
import type { Fault, Scene } from './scene.js';

/** Between two faults. The first comes while the copy runs; a killed worker's attempts wait 10 s. */
const FIRST_MS: readonly [number, number] = [1_000, 5_000];
const NEXT_MS: readonly [number, number] = [8_000, 16_000];

type NamedFault = readonly [string, Fault];

/** Faults one after another, in an order that a seed decides: each once before any comes again. */
export class Schedule implements Disturbances {
  readonly report = new Report();
  readonly hitsSource: boolean;
  readonly #scene: Scene;
  readonly #dice: Dice;
  readonly #say: (line: string) => void;
  readonly #faults: readonly NamedFault[];
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #failure: unknown;

  /** @param options `only`: the faults to repeat; all when left out. Those that cannot be in the scene are skipped */
  constructor(
    scene: Scene,
    { seed, copy, only }: Pick<FaultOptions, 'seed' | 'copy' | 'only'>,
    say: (line: string) => void,
  ) {
    this.#scene = scene;
    this.#dice = new Dice('faults', seed);
    this.#say = say;
    const wanted = Object.entries(faultsDuring).filter(([name]) => only?.includes(name) ?? true);
    this.#faults = wanted.filter(([name, fault]) => {
      const reason = scene.lacks(fault, copy);
      if (reason !== undefined) this.report.skip(name, reason);
      return reason === undefined;
    });
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

  get done(): readonly string[] {
    return this.report.happened;
  }

  async restart(): Promise<void> {
    this.report.happened.push('worker-killed at the cutover');
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
    const [early, later] = [true, false].map((dumps) =>
      this.#faults.filter((each) => (each[1].dumps ?? false) === dumps),
    ) as [NamedFault[], NamedFault[]];
    // Dump files are there only while a copy runs.
    for (const each of early) await this.#break(each);
    // What preflight meets is no fault but a reason not to start.
    const { environment, handles } = this.#scene;
    for (const handle of handles) {
      await environment.until(
        handle,
        'the start',
        ({ phase }) => signal.aborted || phase !== 'preflight',
      );
    }
    let left: NamedFault[] = [];
    for (let [least, most] = FIRST_MS; !signal.aborted; [least, most] = NEXT_MS) {
      await sleep(this.#dice.between(least, most), undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      if (left.length === 0) left = [...later];
      const [next] = left.splice(this.#dice.below(left.length), 1);
      if (!next) return;
      await this.#break(next);
    }
  }

  async #break([name, fault]: NamedFault): Promise<void> {
    this.#say(`  fault: ${name}`);
    const reason = await reasonOf(() => fault.run(this.#scene, this.#dice));
    if (reason === undefined) this.report.happened.push(name);
    else {
      this.report.skip(name, reason);
      this.#say(`  SKIPPED ${name}: ${reason}`);
    }
  }
}
