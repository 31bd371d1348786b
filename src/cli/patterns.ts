import { InvalidArgumentError } from 'commander';
import { NamespacePattern, patternProblem, type Renaming } from '../namespace-pattern.js';

/**
 * The one namespace that is meant, with `\*` and `\\` read; nothing where it is a pattern. What is neither
 * is for its schema to refuse.
 */
export function plainNamespace(text: string): string | undefined {
  if (patternProblem(text) === undefined) return new NamespacePattern(text).namespace;
  return text.includes('*') ? undefined : text;
}

/** Reads `shop.*=store.*`, given by several options, for commander. Whether stars match is for the schema. */
export function readRenaming(text: string, before: readonly Renaming[] = []): Renaming[] {
  const [from = '', to = '', ...others] = text.split('=').map((part) => part.trim());
  if (from === '' || to === '' || others.length > 0) {
    throw new InvalidArgumentError("It has to be from=to, such as 'shop.*=store.*'.");
  }
  return [...before, { from, to }];
}
