import { InvalidArgumentError } from 'commander';
import { NamespacePattern, patternProblem, type Renaming } from '../namespace-pattern.js';
import { CliError } from './cli-error.js';

/**
 * The one namespace that is meant, with `\*` and `\\` read; nothing where it is a pattern. What is neither
 * is for its schema to refuse.
 */
export function plainNamespace(text: string): string | undefined {
  if (patternProblem(text) === undefined) return new NamespacePattern(text).namespace;
  return text.includes('*') ? undefined : text;
}

/**
 * The one namespace that a command is for.
 * @param does what it does with one: `verify compares`
 * @throws CliError usage where a pattern was given
 */
export function requirePlain(text: string, does: string): string {
  const namespace = plainNamespace(text);
  if (namespace !== undefined) return namespace;
  throw new CliError('usage', `${does} one collection, and ${text} is a pattern`, {
    todo: ["a * that belongs to the name is written \\*: 'shop.odd\\*name'"],
  });
}

/** Reads `shop.*=store.*`, given by several options, for commander. Whether stars match is for the schema. */
export function readRenaming(text: string, before: readonly Renaming[] = []): Renaming[] {
  const [from = '', to = '', ...others] = text.split('=').map((part) => part.trim());
  if (from === '' || to === '' || others.length > 0) {
    throw new InvalidArgumentError("It has to be from=to, such as 'shop.*=store.*'.");
  }
  return [...before, { from, to }];
}
