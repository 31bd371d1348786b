import { Output } from '../output.js';
import { openSession, type Session, type TemporalOptions } from '../session.js';

/** Options that every command has. */
export interface CommonOptions extends TemporalOptions {
  readonly json?: boolean;
}

/** What a command works with. */
export interface Context {
  readonly session: Session;
  readonly output: Output;
}

/** Opens what a command works with. @throws CliError noTemporal */
export async function openContext(options: CommonOptions): Promise<Context> {
  const output = Output.of(options.json);
  return { output, session: await openSession(options) };
}
