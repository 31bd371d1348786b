import { redact } from '../redact.js';
import type { ExitName } from './exit-codes.js';

/** What an error says beside its message. */
export interface CliErrorExtras {
  /** What a person can do, a line each. */
  readonly todo?: readonly string[];
  /** For `--json`: facts in fields, such as `blockers` or `nearest`. */
  readonly facts?: Readonly<Record<string, unknown>>;
}

/** An end of the command that a person has to know of; `exit` decides the exit code. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly exit: ExitName;
  readonly todo: readonly string[];
  readonly facts: Readonly<Record<string, unknown>>;

  constructor(exit: ExitName, message: string, { todo = [], facts = {} }: CliErrorExtras = {}) {
    super(redact(message));
    this.exit = exit;
    this.todo = todo;
    this.facts = facts;
  }
}
