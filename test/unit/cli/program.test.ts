import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { exitCodes } from '../../../src/cli/exit-codes.js';
import { createProgram, meantBy } from '../../../src/cli/program.js';
import { groupTuneFields, migrateCollectionsInput } from '../../../src/group-options.js';
import { migrateCollectionInput, verifyCollectionInput } from '../../../src/options.js';

/** What a command line is read as, without doing it. */
async function read(...args: string[]): Promise<{ given: unknown[]; options: object }> {
  const program = createProgram(() => undefined);
  let taken: { given: unknown[]; options: object } | undefined;
  for (const command of program.commands) {
    command.action((...all: unknown[]) => {
      const [options, given] = [all.at(-2), all.slice(0, -2)];
      taken = { given, options: options as object };
    });
  }
  await program.parseAsync(args, { from: 'user' });
  if (!taken) throw new Error('no command was run');
  return taken;
}

/** What is said about a command line that cannot be read. */
async function complaintOf(...args: string[]): Promise<string> {
  const said: string[] = [];
  const program = createProgram((text) => said.push(text));
  const line = program.parseAsync(meantBy(args, program), { from: 'user' });
  await expect(line).rejects.toThrow();
  return said.join('');
}

function commands(): readonly Command[] {
  return createProgram(() => undefined).commands;
}

describe('the command line', () => {
  it("takes the former scripts' arguments", async () => {
    const init = await read('init', 'source', 'target', 'shop', 'orders', '--token', 'marker');
    expect(init.given).toEqual(['source', 'target', 'shop', 'orders']);
    expect(init.options).toMatchObject({ token: 'marker', wait: true });
    const sync = await read('sync', 'target', 'shop', 'orders');
    expect(sync.given).toEqual(['target', 'shop', 'orders']);
  });

  it('leaves out what nobody gave, so that it is left to the worker', async () => {
    const { options } = await read('start', 'shop.orders', '--gzip', '--max-lag-seconds', '0.5');
    expect(options).toEqual({
      source: 'source',
      target: 'target',
      wait: true,
      gzip: true,
      maxLagSeconds: 0.5,
    });
  });

  it.each([
    ['start', migrateCollectionInput.shape],
    ['start', migrateCollectionsInput.shape],
    ['preflight', migrateCollectionInput.shape],
    ['verify', verifyCollectionInput.shape],
    ['tune', groupTuneFields],
  ])('has an option for each field of the input: %s', (name, shape) => {
    const command = commands().find((each) => each.name() === name);
    const names = command?.options.map((option) => option.attributeName()) ?? [];
    expect(names).toEqual(
      expect.arrayContaining(
        Object.keys(shape).filter((field) => !['namespace', 'namespaces'].includes(field)),
      ),
    );
  });

  it.each([
    [['stats'], 'Did you mean status?'],
    [['cutovr', 'shop.orders'], 'Did you mean cutover?'],
    [['help', 'statsu'], "unknown command 'statsu'\n(Did you mean status?)"],
    [['status', '--wacth'], 'Did you mean --watch?'],
    [['start', 'shop.orders', '--copy', 'driect'], 'Allowed choices are dump, direct'],
    [['start', 'shop.orders', '--parallel-partitions', '0'], 'expected number to be >=1'],
    [['start', 'shop.orders', '--partition-bytes', 'many'], 'It has to be a number'],
    [['start', 'shop.orders', '--cutover', 'atuo'], 'It has to be signal, auto, a time'],
    [['start', 'shop.orders', '--cutover', 'lag:x'], 'It has to be a number'],
    [['start', 'shop.orders', '--cutover', 'lag:9999'], 'Too big'],
    [['start', 'shop.orders', '--cutover', 'lag:2/'], 'It has to be a number'],
    [['start', 'shop.orders', '--cutover', 'lag:2/0'], 'Too small'],
    [['start', 'shop.orders', '--cutover', '2027-06-01T02:00'], 'has no time zone'],
    [['tune', 'a.b', '--parallel-partitions', '65'], 'expected number to be <=64'],
    [['tune', 'a.b', '--copy-bytes-per-second', 'no'], 'It has to be a number'],
    [['cutover', 'shop.orders', '--when-lag-under', 'low'], 'It has to be a number'],
    [['init', 'source', 'target', 'shop'], "missing required argument 'collection'"],
    [['list', '--limit', '0'], 'from 1 to 1000'],
    [['start', 'a.*', '--parallel-copies', '0'], 'expected number to be >=1'],
    [['start', 'a.*', '--rename', 'a.*'], 'It has to be from=to'],
    [['retyr', 'a.*'], 'Did you mean retry?'],
    [['start'], "missing required argument 'namespaces'"],
  ])('answers %j', async (args, answer) => {
    expect(await complaintOf(...args)).toContain(answer);
  });

  it.each([[['help']], [['help', 'status']], [['help', '--json']], [['status', 'help']]])(
    'leaves %j as it is',
    (args) =>
      expect(
        meantBy(
          args,
          createProgram(() => undefined),
        ),
      ).toBe(args),
  );

  it('reads what is for several collections', async () => {
    const line =
      'start a.* b.c --exclude a.x,a.y --exclude a.z --rename a.*=d.* --rename b.c=d.c --follow --parallel-copies 3';
    const { given, options } = await read(...line.split(' '));
    expect(given).toEqual([['a.*', 'b.c']]);
    expect(options).toMatchObject({
      exclude: ['a.x', 'a.y', 'a.z'],
      rename: [
        { from: 'a.*', to: 'd.*' },
        { from: 'b.c', to: 'd.c' },
      ],
      follow: true,
      parallelCopies: 3,
    });
    const cutover = await read('cutover', 'a.*', '--leave', 'a.x,a.y', '--leave', 'a.z');
    expect(cutover.options).toMatchObject({ leave: ['a.x', 'a.y', 'a.z'] });
    expect((await read('retry', 'a.*', 'a.x', 'a.y')).given).toEqual(['a.*', ['a.x', 'a.y']]);
  });

  it('reads when to cut over', async () => {
    const at = '2027-06-01T02:00:00Z';
    expect((await read('start', 'a.b', '--cutover', at)).options).toMatchObject({
      cutover: { at },
    });
    expect((await read('start', 'a.b', '--cutover', 'auto')).options).toMatchObject({
      cutover: 'auto',
    });
    for (const [given, cutover] of [
      ['lag:0.5', { whenLagUnder: 0.5 }],
      ['lag:2/120', { whenLagUnder: 2, forSeconds: 120 }],
    ] as const) {
      expect((await read('start', 'a.b', '--cutover', given)).options).toMatchObject({ cutover });
    }
    const { options } = await read('cutover', 'a.b', '--when-lag-under', '2', '--for-seconds', '9');
    expect(options).toMatchObject({ whenLagUnder: 2, forSeconds: 9 });
  });

  it('reads what is to be tuned', async () => {
    const line =
      'tune a.b --parallel-partitions 4 --no-gzip --copy-bytes-per-second none --verify-documents-per-second 1_000';
    const { options } = await read(...line.split(' '));
    expect(options).toEqual({
      source: 'source',
      parallelPartitions: 4,
      gzip: false,
      copyBytesPerSecond: 'none',
      verifyDocumentsPerSecond: 1000,
    });
    expect((await read('tune', 'a.b')).options).toEqual({ source: 'source' });
  });

  it('reads what is to be forced, and refuses what cannot be', async () => {
    const { options } = await read('cutover', 'a.b', '--force', 'lag,verification');
    expect(options).toMatchObject({ force: ['lag', 'verification'] });
    await expect(read('cutover', 'a.b', '--force', 'paused')).rejects.toThrow('cannot be forced');
  });
});

describe('--help', () => {
  const own = commands().filter((command) => !['completion', 'complete'].includes(command.name()));

  it.each(own.map((command) => [command.name(), command] as const))(
    'of %s has an example, and --json among its options',
    (name, command) => {
      let text = '';
      command.configureOutput({ writeOut: (part) => (text += part) });
      command.outputHelp();
      expect(text).toContain(`$ csm ${name}`);
      expect(text).toContain('--json');
      expect(text).toContain('--temporal-namespace');
      const tooLong = text.split('\n').filter((line) => line.length > 80);
      expect(tooLong).toEqual([]);
    },
  );

  it('names every exit code', () => {
    let text = '';
    const program = createProgram(() => undefined);
    program.configureOutput({ writeOut: (part) => (text += part) });
    program.outputHelp();
    for (const code of Object.values(exitCodes))
      expect(text).toMatch(new RegExp(`^ +${code}  `, 'm'));
    expect(text.split('\n').filter((line) => line.length > 80)).toEqual([]);
  });
});
