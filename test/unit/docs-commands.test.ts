import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { refuseConnectionStrings } from '../../src/cli/arguments.js';
import { cutoverPayload, type CutoverOptions } from '../../src/cli/commands/cutover.js';
import { createProgram } from '../../src/cli/program.js';
import { startOrder } from '../../src/cli/start-order.js';
import { TASK_QUEUE } from '../../src/names.js';
import * as workflows from '../../src/workflows/index.js';
import { groupMessageNames } from '../../src/workflows/group/messages.js';
import { signals } from '../../src/workflows/messages.js';
import { commandsOf, pages, programsOf, read, ROOT, spansOf } from '../helpers/documentation.js';

describe('programsOf', () => {
  it.each([
    ["csm start 'shop.*' --watch   # goes on", [['csm', 'start', 'shop.*', '--watch']]],
    [
      'npm ci && npx csm --help',
      [
        ['npm', 'ci'],
        ['csm', '--help'],
      ],
    ],
    [
      "csm status a.b --json | jq '.a | .b'",
      [
        ['csm', 'status', 'a.b', '--json'],
        ['jq', '.a | .b'],
      ],
    ],
    ['source <(csm completion bash)', [['source'], ['csm', 'completion', 'bash']]],
    ['A_B=1 C=2 npm start', [['npm', 'start']]],
    ['A_B=1', []],
    ['x --query "a IS \'b\'"', [['x', '--query', "a IS 'b'"]]],
  ])('finds what %s starts', (line, programs) => {
    expect(programsOf(line)).toEqual(programs);
  });
});

describe.each(pages)('%s', (page) => {
  const markdown = read(page);
  const programs = commandsOf(markdown).flatMap(programsOf);

  it.each(of(programs, 'csm'))('gives a command that csm can read: %s', async (_, args) => {
    await expect(complaintAbout(args)).resolves.toBeUndefined();
  });

  it.each(of(programs, 'temporal'))('gives a command that there is: %s', (_, args) => {
    expect(problemsOf(args)).toEqual([]);
  });

  it('names commands and options of csm and temporal that there are', () => {
    const named = spansOf(markdown).flatMap(programsOf);
    const problems = [
      ...named.filter(([name]) => name === 'csm').flatMap(([, ...args]) => unknownIn(args)),
      ...named.filter(([name]) => name === 'temporal').flatMap(([, ...args]) => unknownTo(args)),
    ];
    expect(problems).toEqual([]);
  });

  it('names variables that something reads', () => {
    expect(variablesIn(markdown).filter((name) => !isRead(name))).toEqual([]);
  });
});

it('there are many of them', () => {
  const all = pages.flatMap((page) => commandsOf(read(page)).flatMap(programsOf));
  expect(of(all, 'csm').length).toBeGreaterThan(30);
  expect(of(all, 'temporal').length).toBeGreaterThan(15);
  expect(pages.flatMap((page) => variablesIn(read(page))).length).toBeGreaterThan(30);
});

/** Command lines of a program: the line to show, and its arguments. */
function of(programs: readonly string[][], program: string): [string, string[]][] {
  return programs
    .filter(([name]) => name === program)
    .map(([name = '', ...args]) => [[name, ...args].join(' '), args]);
}

/** What csm says about a command line, read as it reads one; nothing where it takes it. */
async function complaintAbout(args: readonly string[]): Promise<string | undefined> {
  const said: string[] = [];
  const program = createProgram((text) => said.push(text));
  program.configureOutput({ writeOut: () => undefined });
  for (const command of program.commands) {
    command.action((...given: unknown[]) => check(command, given.slice(0, -1)));
  }
  try {
    refuseConnectionStrings(args);
    await program.parseAsync([...args], { from: 'user' });
    return undefined;
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    const isHelp = code === 'commander.helpDisplayed' || code === 'commander.help';
    return isHelp ? undefined : `${message} ${said.join('')}`;
  }
}

/** What a command does before it sends anything. @throws CliError */
function check(command: Command, given: readonly unknown[]): void {
  const options = given.at(-1) as never;
  const [first] = given as [never];
  if (['start', 'preflight'].includes(command.name())) startOrder(first, options);
  if (command.name() === 'cutover') cutoverPayload(inTime(options));
}

/** With a time that lies ahead: a page may name one that has passed. */
function inTime({ at, ...options }: CutoverOptions): CutoverOptions {
  if (at === undefined) return options;
  expect(at).toMatch(/^\d{4}(-\d\d){2}T\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)$/);
  return { ...options, at: new Date(Date.now() + 60_000).toISOString() };
}

/** Commands and options that csm does not have, in a command line that may be a part of one. */
function unknownIn([name = '', ...args]: readonly string[]): string[] {
  if (name === '' || name.startsWith('-') || name.startsWith('<')) return [];
  const command = createProgram(() => undefined).commands.find((each) => each.name() === name);
  if (!command) return [`csm ${name}`];
  const known = command.options.flatMap(({ long, short }) => [long, short]);
  return args
    .filter((arg) => arg.startsWith('-') && ![...known, '--help'].includes(arg))
    .map((arg) => `csm ${name} ${arg}`);
}

/** Subcommands of `temporal` that the pages use, with their options, as `temporal <command> --help` has them. */
const temporalCommands: Readonly<Record<string, readonly string[]>> = {
  'activity unpause': [],
  'schedule create': [
    '--schedule-id',
    '--cron',
    '--overlap-policy',
    '--type',
    '--task-queue',
    '--workflow-id',
    '--input',
  ],
  'server start-dev': [],
  'workflow cancel': ['--workflow-id'],
  'workflow describe': ['--workflow-id'],
  'workflow execute': ['--type', '--task-queue', '--workflow-id', '--input'],
  'workflow list': ['--query'],
  'workflow query': ['--workflow-id', '--type', '--output'],
  'workflow result': ['--workflow-id'],
  'workflow signal': ['--workflow-id', '--name', '--input'],
  'workflow start': ['--type', '--task-queue', '--workflow-id', '--fail-existing', '--input'],
  'workflow update execute': ['--workflow-id', '--name', '--input'],
};

/** The subcommand at the beginning of arguments. */
function subcommandOf(args: readonly string[]): string | undefined {
  return [3, 2]
    .map((words) => args.slice(0, words).join(' '))
    .find((name) => Object.hasOwn(temporalCommands, name));
}

/** Subcommands and options that are not known, in a command line that may be a part of one. */
function unknownTo(args: readonly string[]): string[] {
  const line = `temporal ${args.join(' ')}`;
  if (args.length === 0) return [];
  const subcommand = subcommandOf(args);
  if (subcommand === undefined) return [line];
  const known = temporalCommands[subcommand] ?? [];
  const strange = args.filter((arg) => arg.startsWith('-') && !known.includes(arg));
  return strange.map((arg) => `${arg}: ${line}`);
}

/** What is wrong with a whole command line of `temporal`. */
function problemsOf(args: readonly string[]): string[] {
  const value = (option: string) => args[args.indexOf(option) + 1];
  const has = (option: string) => args.includes(option);
  const subcommand = subcommandOf(args) ?? '';
  const isGroup = /[*,]/.test(value('--workflow-id') ?? '');
  const messages: readonly string[] = isGroup ? groupMessageNames : Object.keys(signals);
  const types = subcommand === 'workflow query' ? ['status'] : Object.keys(workflows);
  const needed = (temporalCommands[subcommand] ?? []).filter((option) =>
    ['--type', '--name', '--task-queue', '--workflow-id', '--schedule-id'].includes(option),
  );
  return [
    ...unknownTo(args),
    ...needed.filter((option) => !has(option)).map((option) => `without ${option}`),
    ...(has('--type') && !types.includes(value('--type') ?? '') ? ['unknown type'] : []),
    ...(has('--name') && !messages.includes(value('--name') ?? '') ? ['unknown message'] : []),
    ...(has('--task-queue') && value('--task-queue') !== TASK_QUEUE ? ['other queue'] : []),
  ];
}

/** Names that look like variables of the environment. */
function variablesIn(markdown: string): string[] {
  const code = [...commandsOf(markdown), ...spansOf(markdown), ...blocksOf(markdown)].join('\n');
  return [...code.matchAll(/(?<![\w.$-])[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?![\w-])/g)].map(
    ([name]) => name,
  );
}

function blocksOf(markdown: string): string[] {
  return [...markdown.matchAll(/^ *```(?:yaml|text)\n([\s\S]*?)^ *```$/gm)].map(
    ([, code = '']) => code,
  );
}

/** Words that are written like variables and are none: of Temporal's history and of its queries. */
const noVariables = ['SCHEDULE_TO_START', 'STARTS_WITH'];

/** Whether a program of this project reads the variable, or hands it to one that does. */
function isRead(name: string): boolean {
  if (/^(?:TEMPORAL|MONGODB_URI)_[A-Z_]+$/.test(name) || noVariables.includes(name)) return true;
  return sources().some((source) => new RegExp(`\\b${name}\\b`).test(source));
}

let known: readonly string[] | undefined;

/** The code, without the tests of it, and what starts it. */
function sources(): readonly string[] {
  const folders = ['src', 'embedded', 'demo', 'bench', 'test/versions', 'test/load', 'test/e2e'];
  const files = folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => `${folder}/${file}`),
  );
  known ??= [...files, 'package.json', 'Dockerfile', 'docker-compose.yml'].map(read);
  return known;
}
