import { parseArgs } from 'node:util';
import { numberOf } from '../soak/options.js';
import { casesAlone } from './alone/index.js';
import { faultsDuring } from './during/index.js';
import type { Side } from './scene.js';

/** What a run of faults is to be. */
export interface FaultOptions {
  readonly seed: number;
  /** Least time of faults, in minutes. */
  readonly minutes: number;
  readonly copy: 'dump' | 'direct';
  /** Documents of the large collection before the migration. */
  readonly documents: number;
  /** Changes per second, of all collections together. */
  readonly rate: number;
  /** Members of the target's replica set. */
  readonly members: 1 | 3;
  /** Members of the source's replica set. */
  readonly sourceMembers: 1 | 3;
  /** Faults to choose from, or cases to run; all when left out. */
  readonly only?: readonly string[];
  /** Runs the cases, each with a migration of its own, and not the schedule. */
  readonly alone: boolean;
}

/** What `--help` prints. */
export const helpText = `Migrates seeded collections under seeded changes while everything breaks, and compares byte for byte.

  npm run test:faults -- [options]

  --seed N        what decides collections, changes and faults (as is: 1)
  --minutes M     least time of faults (as is: 4)
  --copy WAY      dump (as is) or direct
  --members N     members of the target's replica set: 1 (as is), or 3 for failover
  --source-members N   members of the source's replica set, likewise
  --documents N   documents of the large collection (as is: 4000)
  --rate N        changes per second of all collections together (as is: 200)
  --alone         the cases with a migration of their own, in place of the schedule
  --only NAME     one fault or case; may be repeated
  --help          this text

Faults: ${Object.keys(faultsDuring).join(', ')}
Cases: ${Object.keys(casesAlone).join(', ')}

Exits with 0 only if everything ends as it has to.`;

/** Reads the command line's arguments, nothing when help is wanted. @throws Error that says what is wrong */
export function readOptions(args: readonly string[]): FaultOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: 'string', default: '1' },
      minutes: { type: 'string', default: '4' },
      copy: { type: 'string', default: 'dump' },
      members: { type: 'string', default: '1' },
      'source-members': { type: 'string', default: '1' },
      documents: { type: 'string', default: '4000' },
      rate: { type: 'string', default: '200' },
      alone: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  const { copy, only, members } = values;
  if (copy !== 'dump' && copy !== 'direct') throw new Error('--copy takes dump or direct');
  const known = { ...faultsDuring, ...casesAlone };
  for (const name of only ?? []) {
    if (!(name in known))
      throw new Error(`--only ${name}: there is ${Object.keys(known).join(', ')}`);
  }
  const membersOf = (side: Side, wanted: string): 1 | 3 =>
    wanted === '3' || (only ?? []).some((name) => faultsDuring[name]?.failover === side) ? 3 : 1;
  return {
    seed: numberOf('seed', values.seed, 0),
    minutes: numberOf('minutes', values.minutes, 0.01),
    copy,
    documents: numberOf('documents', values.documents, 100),
    rate: numberOf('rate', values.rate, 1),
    members: membersOf('target', members),
    sourceMembers: membersOf('source', values['source-members']),
    alone: values.alone || (only ?? []).some((name) => name in casesAlone),
    ...(only && { only }),
  };
}

/** The command that does the same again. */
export function commandOf(options: FaultOptions): string {
  const {
    seed,
    minutes,
    copy,
    documents,
    rate,
    members,
    sourceMembers,
    only = [],
    alone,
  } = options;
  return (
    `npm run test:faults -- --seed ${seed} --minutes ${minutes} --copy ${copy} ` +
    `--members ${members} --source-members ${sourceMembers} --documents ${documents} --rate ${rate}${alone ? ' --alone' : ''}` +
    only.map((name) => ` --only ${name}`).join('')
  );
}
