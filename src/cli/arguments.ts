import { InvalidArgumentError } from 'commander';
import { CliError } from './cli-error.js';

const CONNECTION_STRING = /mongodb(\+srv)?(:|%3a)\/?\/?/i;

/**
 * Refuses a command line with a connection string before anything reads it, so that nothing can print
 * it or send it.
 * @throws CliError usage
 */
export function refuseConnectionStrings(args: readonly string[]): void {
  const at = args.findIndex((argument) => CONNECTION_STRING.test(argument));
  if (at < 0) return;
  throw new CliError(
    'usage',
    `argument ${at + 1} holds a connection string; csm takes the names of connections only`,
    {
      todo: [
        'set MONGODB_URI_<ALIAS> on the worker and give <alias> here, in lower case, for example: csm init source target shop orders',
        'it was sent nowhere, but your shell may keep it in its history, and other users could see it while csm ran',
      ],
    },
  );
}

/** Reads a number for commander. Whether it is in range is for the input's schema to say. */
export function readNumber(text: string): number {
  const number = text.trim() === '' ? Number.NaN : Number(text.replaceAll('_', ''));
  if (Number.isNaN(number)) throw new InvalidArgumentError('It has to be a number.');
  return number;
}

/** A comma that belongs to a name. */
const COMMA = '\\,';

/** Reads names that are separated by commas or given by several options; `\,` is a comma of a name. */
export function readNames(text: string, before: readonly string[] = []): string[] {
  const parts = text.split(/(?<!\\),/);
  // A name may end with a blank; beside commas it is of the list.
  const isList = parts.length > 1;
  const names = parts.map((name) => (isList ? name.trim() : name).replaceAll(COMMA, ','));
  return [...before, ...names.filter((name) => name !== '')];
}

/** Names as `readNames` takes them. */
export function writeNames(names: readonly string[]): string {
  return names.map((name) => name.replaceAll(',', COMMA)).join(',');
}
