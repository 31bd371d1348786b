import { constants } from 'node:os';
import { createInterface } from 'node:readline/promises';
import { stripVTControlCharacters } from 'node:util';
import { createLogUpdate } from 'log-update';
import pico from 'picocolors';
import wrapAnsi from 'wrap-ansi';
import { redact } from '../redact.js';
import { CliError } from './cli-error.js';
import { exitCodes } from './exit-codes.js';

/** Narrower than this, lines are wrapped by the terminal itself. */
const MIN_COLUMNS = 40;
const DEFAULT_COLUMNS = 80;
const DEFAULT_ROWS = 24;

/** Stands in a line before the text below which what does not fit goes on; never printed. */
export const HANG = '\u001F';

/**
 * Where a command writes: on a terminal with bars, colours and questions, elsewhere and in continuous
 * integration in plain lines.
 */
export class Output {
  static #only: Output | undefined;

  /** The one of this process. @param json print JSON and nothing else to standard output */
  static of(json = false): Output {
    const { CI, TERM } = process.env;
    const isCi = !['', '0', 'false', undefined].includes(CI?.toLowerCase());
    Output.#only ??= Output.for({
      json,
      isTerminal: process.stdout.isTTY && !isCi && TERM !== 'dumb',
    });
    return Output.#only;
  }

  /** One with these ways. */
  static for(ways: { readonly json: boolean; readonly isTerminal: boolean }): Output {
    return new Output(ways.json, ways.isTerminal);
  }

  readonly json: boolean;
  /** Somebody looks on: show may redraw. */
  readonly isLive: boolean;
  /** Somebody can be asked. */
  readonly canAsk: boolean;
  readonly colors: ReturnType<typeof pico.createColors>;
  readonly #live: ReturnType<typeof createLogUpdate> | undefined;
  #farewell: string | undefined;
  #isListening = false;

  private constructor(json: boolean, isTerminal: boolean) {
    this.json = json;
    this.isLive = isTerminal && !json;
    // With --json too: the question goes to standard error.
    this.canAsk = isTerminal && process.stdin.isTTY;
    this.colors = pico.createColors(this.isLive && !process.env['NO_COLOR']);
    this.#live = this.isLive ? createLogUpdate(process.stdout) : undefined;
  }

  /** Width of the terminal, or what is usual. */
  get columns(): number {
    return Math.max(MIN_COLUMNS, process.stdout.columns ?? DEFAULT_COLUMNS);
  }

  /** Height of the terminal, or what is usual. */
  get rows(): number {
    return process.stdout.rows ?? DEFAULT_ROWS;
  }

  /** Rows of the terminal that lines take, with those that are wrapped. */
  heightOf(lines: readonly string[]): number {
    return lines.flatMap((line) => this.#fit(line).split('\n')).length;
  }

  /** Writes lines that stay; nothing with `--json`. */
  say(...lines: readonly string[]): void {
    if (this.json) return;
    this.clear();
    process.stdout.write(lines.map((line) => `${this.#fit(redact(line))}\n`).join(''));
  }

  /** Shows how things stand, in place of what was shown before. On a terminal only. */
  show(lines: readonly string[]): void {
    this.#live?.(lines.map((line) => this.#fit(redact(line))).join('\n'));
  }

  /** Leaves what is shown where it is; what comes next is below it. */
  keep(): void {
    this.#live?.done();
  }

  clear(): void {
    this.#live?.clear();
  }

  /** The answer of a command with `--json`; nothing without it. */
  data(value: unknown, { lines = false }: { lines?: boolean } = {}): void {
    if (!this.json) return;
    process.stdout.write(`${redact(JSON.stringify(value, null, lines ? 0 : 2))}\n`);
  }

  /** Writes to standard error. */
  warn(...lines: readonly string[]): void {
    this.clear();
    process.stderr.write(lines.map((line) => `${this.#fit(redact(line))}\n`).join(''));
  }

  /** Says what went wrong and what to do, to standard error. */
  fail({ message, todo, exit, facts }: CliError): void {
    if (this.json) {
      const error = { code: exit, exitCode: exitCodes[exit], message, todo, ...facts };
      process.stderr.write(`${redact(JSON.stringify({ error }))}\n`);
      return;
    }
    const text = [`${this.colors.red('error:')} ${message}`, ...todo.map((each) => `  ${each}`)];
    this.warn(...text);
  }

  /** Asks a yes-or-no question; no is what Enter means. @throws CliError interrupted by Ctrl-C */
  async confirm(question: string): Promise<boolean> {
    const lines = createInterface({ input: process.stdin, output: process.stderr });
    try {
      const answer = await lines.question(`${question} [y/N] `);
      return /^y(es)?$/i.test(answer.trim());
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'AbortError') throw error;
      // The cursor is behind the question.
      process.stderr.write('\n');
      throw new CliError('interrupted', 'nothing was done');
    } finally {
      lines.close();
    }
  }

  /** From now on Ctrl-C, SIGTERM and a closed terminal end this command with these words; nothing else ends. */
  onInterrupt(farewell: string): void {
    this.#farewell = farewell;
    if (this.#isListening) return;
    this.#isListening = true;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.once(signal, () => {
        this.keep();
        this.warn(...(this.#farewell ? ['', this.#farewell] : []));
        process.exit(128 + constants.signals[signal]);
      });
    }
  }

  /** Wraps at words; what goes on stands below the text that it belongs to. */
  #fit(line: string): string {
    const [start = '', ...rest] = line.split(HANG);
    const text = rest.join('');
    if (!this.isLive) return start + text;
    const [label, body] =
      rest.length > 0 ? [start, text] : [/^ */.exec(line)?.[0] ?? '', line.trimStart()];
    const indent = stripVTControlCharacters(label).length;
    const [first = '', ...more] = wrapAnsi(body, this.columns - 1 - indent).split('\n');
    return [label + first, ...more.map((part) => ' '.repeat(indent) + part)].join('\n');
  }
}
