import { groupTuneFields, groupTuneInput } from '../../group-options.js';
import { parseInput } from '../../options.js';
import type { Settings } from '../../tuning.js';
import type { GroupSettings } from '../../workflows/group/state.js';
import { CliError } from '../cli-error.js';
import { bytes, count, number } from '../format.js';
import { inputFrom, NONE } from '../migration-options.js';
import { nameOf } from '../next-step.js';
import { describeLimits } from '../render-settings.js';
import { send } from '../send.js';
import { openContext } from './context.js';
import { addressOf, type MessageOptions } from './messages.js';

/** Options of `tune`: those of the payload beside the common ones. */
export interface TuneOptions extends MessageOptions, Readonly<Record<string, unknown>> {
  readonly source: string;
}

type Tuned = Settings & Partial<GroupSettings>;

/** `csm tune`: changes settings of a migration that runs, and shows all of them. */
export async function tune(migration: string, options: TuneOptions): Promise<void> {
  const given = Object.entries(inputFrom(groupTuneFields, options));
  const payload = Object.fromEntries(
    given.map(([name, value]) => [name, value === NONE ? null : value]),
  );
  const parsed = parseInput(groupTuneInput, payload, 'tune');
  if ('error' in parsed) throw new CliError('usage', parsed.error);
  const context = await openContext(options);
  const { session, output } = context;
  const { isGroup, ...to } = await addressOf(context, migration, options.source, 'tune');
  if (!isGroup && payload.parallelCopies !== undefined) {
    throw new CliError('usage', '--parallel-copies is for a migration of several collections', {
      todo: ['leave it out, or tune the group that the collection belongs to'],
    });
  }
  const settings = await send<Tuned>(session, output, { ...to, name: 'tune', payload });
  output.data({ ...to, answer: settings });
  output.say(
    ...describeSettings(settings),
    ...(isGroup ? ['each of its collections has these for itself'] : []),
    ...(settings.parallelCopies === undefined
      ? []
      : [`copied at the same time: ${count(settings.parallelCopies, 'collection')}`]),
    `see it with: csm status ${nameOf(to.workflowId)}`,
  );
}

function describeSettings(settings: Settings): string[] {
  const { parallelPartitions, gzip } = settings;
  return [
    `copy: ${parallelPartitions} at the same time, ${gzip ? '' : 'not '}compressed, ${describeLimits(settings, 'copy') ?? 'no limit'}`,
    `capture: ${describeLimits(settings, 'capture') ?? 'no limit'}`,
    `replay: ${settings.replayBatch ? `at most ${number(settings.replayBatch)} changes at once` : 'no limit'}`,
    `comparison: ${describeLimits(settings, 'verify') ?? 'no limit'}`,
    `buffer: ${settings.maxBufferBytes ? `at most ${bytes(settings.maxBufferBytes)}` : 'no limit'}`,
  ];
}
