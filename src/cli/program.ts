import tab from '@bomb.sh/tab/commander';
import { Command } from 'commander';
import { forcible } from '../blockers.js';
import { addExamples } from './definitions/common.js';
import { defineActing } from './definitions/act.js';
import { defineLooking } from './definitions/look.js';
import { exitCodes, exitMeanings, type ExitName } from './exit-codes.js';
import { packageVersion } from './version.js';

/**
 * The whole command line. It throws commander's errors instead of ending the process.
 * @param writeError what commander says about a command line that it does not understand
 */
export function createProgram(writeError: (text: string) => void): Command {
  const program = new Command('csm')
    .description('Moves live MongoDB collections. See and control migrations from the terminal.')
    .version(packageVersion(), '-V, --version')
    .exitOverride()
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .configureOutput({ writeErr: writeError, getOutHelpWidth: helpWidth })
    .showHelpAfterError('("csm --help" and "csm <command> --help" say more)')
    .addHelpText('after', exitCodesText)
    .helpCommand('help [command]', 'help for a command');
  defineActing(program);
  defineLooking(program);
  addCompletion(program);
  return program;
}

/**
 * The arguments as they are meant. Help for a command that there is not is answered as that command is, with the
 * nearest name; commander would print the whole help as an error.
 */
export function meantBy(args: readonly string[], program: Command): readonly string[] {
  const [first, name = '-'] = args;
  const isThere = program.commands.some((command) => command.name() === name);
  return first !== 'help' || name.startsWith('-') || isThere ? args : [name];
}

function addCompletion(program: Command): void {
  const completions = tab(program, { completionCommandName: 'completion' });
  const completion = program.commands.find((command) => command.name() === 'completion');
  completion
    ?.summary('completions for bash and zsh')
    .description('Prints a script that completes commands and options, for the shell to source.');
  if (completion) {
    addExamples(
      completion,
      'source <(csm completion bash)     # in ~/.bashrc',
      'source <(csm completion zsh)      # in ~/.zshrc, after compinit',
    );
  }
  // Beside a command in a shell there is room for a few words.
  for (const command of program.commands) {
    const known = completions.commands.get(command.name());
    if (known) known.description = command.summary();
    // It takes several at once, so that these are no choices of commander's.
    const force = known?.options.get('force');
    if (force) force.handler = (complete) => forcible.forEach((code) => complete(code, ''));
  }
}

/** Lines of more than 80 letters are hard to read. */
function helpWidth(): number {
  return Math.min(80, process.stdout.columns ?? 80);
}

function exitCodesText(): string {
  const names = Object.keys(exitCodes) as ExitName[];
  const codes = names.map(
    (name) => `  ${String(exitCodes[name]).padStart(3)}  ${exitMeanings[name]}`,
  );
  return [
    '',
    'A migration is named by the namespace of its source (shop.orders), with --source',
    'where the alias is not "source", or by its workflow id; one of many collections',
    "by the patterns that it was started with ('shop.*').",
    '',
    'Examples:',
    '  $ csm preflight shop.orders',
    '  $ csm start shop.orders --watch',
    '  $ csm cutover shop.orders',
    "  $ csm start 'shop.*' --watch",
    '',
    'Exit codes:',
    ...codes,
  ].join('\n');
}
