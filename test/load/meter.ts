import { readFileSync } from 'node:fs';
import { cpuSeconds } from '../../bench/cpu.js';
import type { Environment, WorkerProcess } from '../e2e/environment.js';

/** Between two looks at the worker's memory, in ms. */
const SAMPLE_MS = 250;

/** What a stretch of a run has cost. */
export interface Window {
  readonly name: string;
  readonly seconds: number;
  /** What CPU is divided by: events or changes. */
  readonly events: number;
  /** Most memory of the worker that was seen, in MB: it is that of the process alone, without its children. */
  readonly workerMb: number;
  /** CPU per event in microseconds. */
  readonly workerUs: number;
  readonly targetUs: number;
  readonly sourceUs: number;
  /** Largest buffer that was seen, in MB, where somebody looked. */
  readonly bufferMb?: number;
}

/** Cuts a run into windows and counts what each has cost. From /proc, so on Linux only. */
export class Meter implements Disposable {
  readonly windows: Window[] = [];
  readonly #pids: { worker: number; target: number; source: number };
  readonly #sampling: NodeJS.Timeout;
  #used: Record<'worker' | 'target' | 'source', number>;
  #beganAt = performance.now();
  #mostKb = 0;
  #bufferBytes: number | undefined;

  constructor({ source, target }: Environment, worker: WorkerProcess) {
    this.#pids = {
      worker: pidOf(worker.process.pid),
      target: pidOf(target.members[0]?.pid),
      source: pidOf(source.members[0]?.pid),
    };
    this.#used = this.#cpu();
    this.#sampling = setInterval(() => this.#sample(), SAMPLE_MS);
  }

  /** Most memory of the worker in any window, in MB. */
  get mostMb(): number {
    return Math.max(...this.windows.map(({ workerMb }) => workerMb));
  }

  /** Tells how large the buffer is. */
  sawBuffer(bytes: number): void {
    this.#bufferBytes = Math.max(this.#bufferBytes ?? 0, bytes);
  }

  /** Ends a window and begins the next one. */
  close(name: string, events: number): Window {
    this.#sample();
    const now = this.#cpu();
    const us = (what: 'worker' | 'target' | 'source') =>
      Math.round(((now[what] - this.#used[what]) * 1e6) / Math.max(1, events));
    const window: Window = {
      name,
      seconds: Math.round((performance.now() - this.#beganAt) / 100) / 10,
      events,
      workerMb: Math.round(this.#mostKb / 1024),
      workerUs: us('worker'),
      targetUs: us('target'),
      sourceUs: us('source'),
      ...(this.#bufferBytes !== undefined && { bufferMb: Math.round(this.#bufferBytes / 1e6) }),
    };
    this.windows.push(window);
    this.#used = now;
    this.#beganAt = performance.now();
    this.#mostKb = 0;
    this.#bufferBytes = undefined;
    return window;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#sampling);
  }

  #cpu() {
    const { worker, target, source } = this.#pids;
    return { worker: cpuSeconds(worker), target: cpuSeconds(target), source: cpuSeconds(source) };
  }

  #sample(): void {
    this.#mostKb = Math.max(this.#mostKb, residentKb(this.#pids.worker));
  }
}

/** Windows as a Markdown table. */
export function renderWindows(windows: readonly Window[]): string {
  const head = ['', 'events', 'seconds', 'worker memory', 'worker CPU', 'target CPU', 'source CPU', 'buffer']; // prettier-ignore
  const rows = windows.map((window) => [
    window.name,
    window.events.toLocaleString('en-US'),
    String(window.seconds),
    `${window.workerMb} MB`,
    `${window.workerUs} µs`,
    `${window.targetUs} µs`,
    `${window.sourceUs} µs`,
    window.bufferMb === undefined ? '' : `${window.bufferMb} MB`,
  ]);
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

function residentKb(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0);
  } catch {
    return 0;
  }
}

function pidOf(pid: number | undefined): number {
  if (pid === undefined) throw new Error('a process that is to be measured does not run');
  return pid;
}
