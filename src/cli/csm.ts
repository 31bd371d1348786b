#!/usr/bin/env node
import { CommanderError } from 'commander';
import { emptyCoreFile } from '../core-file.js';
import { refuseConnectionStrings } from './arguments.js';
import { CliError } from './cli-error.js';
import { exitCodes } from './exit-codes.js';
import { isUnusable } from './grpc.js';
import { Output } from './output.js';
import { createProgram, meantBy } from './program.js';

/** Runs one command. @returns the exit code */
async function main(args: readonly string[]): Promise<number> {
  emptyCoreFile();
  const misread: string[] = [];
  const json = args.includes('--json');
  try {
    refuseConnectionStrings(args);
    const program = createProgram((text) => misread.push(text));
    if (args.length === 0) {
      program.outputHelp();
      return exitCodes.usage;
    }
    await program.parseAsync(meantBy(args, program), { from: 'user' });
    return exitCodes.ok;
  } catch (error) {
    // Help and version end this way too.
    if (error instanceof CommanderError && error.exitCode === 0) return exitCodes.ok;
    const failure = failureOf(error, args, misread);
    Output.of(json).fail(failure);
    return exitCodes[failure.exit];
  }
}

function failureOf(error: unknown, args: readonly string[], misread: readonly string[]): CliError {
  if (error instanceof CliError) return error;
  if (error instanceof CommanderError) {
    const [message = '', ...todo] = misread.join('').trim().split('\n');
    const isBefore = args[0]?.startsWith('-') ?? false;
    const order = isBefore ? ['options come after the command, as in: csm status --json'] : [];
    const isMany = error.code === 'commander.excessArguments';
    const one = isMany ? ["several names are one: 'shop.*,crm.people', as in: csm list"] : [];
    return new CliError('usage', message.replace(/^error: /, ''), {
      todo: [...order, ...one, ...todo],
    });
  }
  const message = error instanceof Error ? error.message : String(error);
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : '';
  return new CliError(
    isUnusable(error) ? 'noTemporal' : 'failure',
    cause === '' ? message : `${message} (${cause})`,
  );
}

// A reader that has enough, such as head, is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? exitCodes.ok : exitCodes.failure);
});

const code = await main(process.argv.slice(2));
// The connection to Temporal would keep the process.
process.stdout.write('', () => process.exit(code));
