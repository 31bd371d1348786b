import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from './message.js';

const SUPERVISOR = join(import.meta.dirname, 'supervise.sh');

/** What to run and how to end it. */
export interface ChildOptions {
  readonly command: string;
  readonly args: readonly string[];
  /** The file that takes its output; made, or appended to. */
  readonly logFile: string;
  /** A folder to remove should this process die without stopping the child; none when left out. */
  readonly removeIfOrphaned?: string;
  /** Seconds between SIGTERM and SIGKILL; 10 when left out. */
  readonly graceSeconds?: number;
  readonly env?: NodeJS.ProcessEnv;
}

/**
 * A server process that never outlives this one, not even when this one is killed with SIGKILL: a small shell script between
 * the two ends it when the pipe from here closes. It has a process group of its own, so that Ctrl-C in a terminal reaches
 * only this process, which then stops its servers in order.
 */
export class Child {
  /** The server's own process id, not the script's. */
  readonly pid: number;
  /** Resolves when the server has ended, with its exit status as a shell gives it: 128 + n after signal n. */
  readonly ended: Promise<number>;
  readonly #script: ChildProcess;
  readonly #graceMs: number;
  #running = true;

  private constructor(script: ChildProcess, pid: number, ended: Promise<number>, graceMs: number) {
    this.#script = script;
    this.pid = pid;
    this.#graceMs = graceMs;
    this.ended = ended.finally(() => {
      this.#running = false;
    });
  }

  /** Starts it. @throws Error when the script cannot be started; the command's own failure shows in `ended` */
  static async start(options: ChildOptions): Promise<Child> {
    const grace = options.graceSeconds ?? 10;
    const { logFile, removeIfOrphaned = '', command, args } = options;
    const script = spawn(
      '/bin/sh',
      [SUPERVISOR, logFile, removeIfOrphaned, String(grace), command, ...args],
      { detached: true, stdio: ['pipe', 'pipe', 'ignore'], env: options.env ?? process.env },
    );
    script.stdin.on('error', () => {});
    const ended = new Promise<number>((resolve, reject) => {
      script.once('error', reject);
      script.once('exit', (code) => resolve(code ?? 128));
    });
    const pid = await Promise.race([readPid(script), ended.then(() => Number.NaN)]);
    if (!Number.isInteger(pid)) throw new Error(`${command}: the supervising shell did not start`);
    const child = new Child(script, pid, ended, grace * 1000);
    child.#hold(false);
    return child;
  }

  get running(): boolean {
    return this.#running;
  }

  /** Sends a signal to the server; does nothing when it has ended. */
  signal(signal: NodeJS.Signals): void {
    if (!this.#running) return;
    try {
      process.kill(this.pid, signal);
    } catch (error) {
      // Ended, and the supervising shell has not said so yet.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  /** Sends SIGTERM, after the grace SIGKILL, and waits for the end. */
  async stop(): Promise<void> {
    if (!this.#running) return;
    this.signal('SIGTERM');
    this.signal('SIGCONT');
    const timer = setTimeout(() => this.signal('SIGKILL'), this.#graceMs);
    await this.#end();
    clearTimeout(timer);
  }

  /** Sends a signal that ends the server, SIGKILL unless said otherwise, and waits for the end. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.signal(signal);
    await this.#end();
  }

  async #end(): Promise<void> {
    this.#hold(true);
    await this.ended;
  }

  // A program that forgot to stop its servers may still exit, and they end with it; one that waits for their end must not.
  #hold(keepAlive: boolean): void {
    const { stdin } = this.#script;
    if (keepAlive) this.#script.ref();
    else this.#script.unref();
    // The types know a stream, of which a pipe's socket is one.
    if (stdin !== null && 'unref' in stdin && typeof stdin.unref === 'function') stdin.unref();
  }
}

async function readPid(script: ChildProcess): Promise<number> {
  if (script.stdout === null) return Number.NaN;
  let text = '';
  for await (const chunk of script.stdout) text += String(chunk);
  return text === '' ? Number.NaN : Number(text);
}

/** What {@link untilReady} watches. */
export interface ReadyOptions {
  readonly child: Child;
  readonly what: string;
  readonly logFile: string;
  readonly timeoutMs: number;
  /** Resolves when the server is ready, throws when it is not yet. */
  readonly probe: () => Promise<void>;
}

/**
 * Probes a server that was just started until it is ready.
 *
 * @throws Error with the log's last lines when the server ended or the time is over
 */
export async function untilReady(options: ReadyOptions): Promise<void> {
  const { child, what, logFile, timeoutMs, probe } = options;
  const deadline = Date.now() + timeoutMs;
  let last: unknown;
  while (child.running && Date.now() < deadline) {
    try {
      // A probe may take its time to find nobody there.
      return await Promise.race([probe(), child.ended.then(hasEnded)]);
    } catch (error) {
      last = error;
    }
    await sleep(50);
  }
  const why = child.running
    ? `was not ready after ${Math.round(timeoutMs / 1000)} s (${messageOf(last)})`
    : `ended with status ${await child.ended}`;
  throw new Error(`${what} ${why}; its log ends with:\n${await tail(logFile)}`, { cause: last });
}

function hasEnded(): never {
  throw new Error('it has ended');
}

async function tail(file: string, lines = 15): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '(no log)');
  return text.trimEnd().split('\n').slice(-lines).join('\n');
}
