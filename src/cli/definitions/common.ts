import type { Command } from 'commander';
import { DEFAULT_SOURCE, DEFAULT_TARGET } from '../next-step.js';

/** What a migration is named by, for `--help`. */
export const MIGRATION =
  "namespace of the source (shop.orders), patterns of a group ('shop.*'), or workflow id";
/** The same where it can only be a group. */
export const GROUP = "patterns that it was started with, by commas ('shop.*'), or workflow id";

/** Adds the options that every command has. */
export function addCommonOptions(command: Command): Command {
  return command
    .option('--json', 'print JSON to standard output and nothing else')
    .option('--address <host:port>', 'of Temporal (TEMPORAL_ADDRESS)')
    .option('--temporal-namespace <name>', 'of Temporal (TEMPORAL_NAMESPACE)')
    .option('--profile <name>', 'of temporal.toml (TEMPORAL_PROFILE)');
}

/** Adds the option for the alias of the source. */
export function addSource(command: Command): Command {
  return command.option('--source <alias>', 'alias of the source', DEFAULT_SOURCE);
}

/** Adds the options for the aliases of both sides. */
export function addSides(command: Command): Command {
  return addSource(command).option('--target <alias>', 'alias of the target', DEFAULT_TARGET);
}

/** Adds what `--help` shows at its end, a line each. */
export function addExamples(command: Command, ...examples: readonly string[]): Command {
  const lines = examples.map((example) => `  $ ${example}`);
  return command.addHelpText('after', `\nExamples:\n${lines.join('\n')}`);
}
