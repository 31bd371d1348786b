import type { MigrateCollectionsOptions } from './group-options.js';
import type { Blocker, CutoverReport } from './migration.js';

/** Identity and options of a migration of many collections, as its activities get them. */
export interface Group {
  readonly workflowId: string;
  readonly runId: string;
  readonly options: MigrateCollectionsOptions;
}

/** A look at the collections of a group. */
export interface GroupLook extends Group {
  /** Answer also with what speaks against it, which is thrown otherwise. */
  readonly answers?: true;
}

/** Characters of a group's name in metrics: a label is repeated in every sample. */
const LONGEST_NAME = 200;

/** What metrics and searches call a group, in the place of a collection's name. */
export function groupLabel(namespaces: readonly string[]): string {
  const all = namespaces.join(',');
  const [first = '', ...others] = namespaces;
  return all.length <= LONGEST_NAME || others.length === 0 ? all : `${first},…${others.length}`;
}

/** What metrics and searches know a group by, as they do a collection. */
export function identifyGroup({ source, target, namespaces }: Group['options']) {
  return { source, target, namespace: groupLabel(namespaces) };
}

/** The names of one collection at both sides. */
export interface CollectionNames {
  readonly namespace: string;
  readonly targetNamespace: string;
}

/** A collection that belongs to a group. */
export interface FoundCollection extends CollectionNames {
  readonly documents: number;
  readonly bytes: number;
  /** When an earlier run of the same group has cut it over (ISO 8601): it is not done again. */
  readonly openedAt?: string;
}

/** Something that the patterns match and the migration leaves alone. */
export interface LeftOut {
  readonly namespace: string;
  readonly why: string;
}

/** What a group's patterns stand for. */
export interface FoundCollections {
  readonly collections: readonly FoundCollection[];
  readonly leftOut: readonly LeftOut[];
  readonly warnings: readonly string[];
  /** Whether the search attributes are registered; see `searchAttributes`. */
  readonly searchable?: boolean;
  /** In an answer that was asked for: why it would not begin. */
  readonly refusal?: {
    readonly errors: readonly string[];
    readonly errorsNotShown: number;
    /** What is wanted too and could not be looked at. */
    readonly unread: readonly CollectionNames[];
  };
}

/** The running migration of one collection of a group. */
export interface MemberRun {
  readonly namespace: string;
  readonly workflowId: string;
  /** The first run, also where the workflow was reset since. */
  readonly runId: string;
}

/** What the workflow of a collection is told that belongs to a group. */
export interface Membership {
  /** Workflow id of the group. */
  readonly workflowId: string;
}

/** Why a cutover of a group would be refused now; without a namespace it is about the group itself. */
export interface GroupBlocker extends Blocker {
  readonly namespace?: string;
}

/** One cutover of several collections. */
export interface GroupCutoverReport extends Pick<
  CutoverReport,
  'fence' | 'fencedAt' | 'openedAt' | 'downtimeMs'
> {
  /** How many collections were cut over at this fence. */
  readonly collections: number;
}

/** Result of a group's cutover, with a report for each collection in the order in which they were given. */
export type GroupCutoverOutcome =
  | {
      readonly refused: readonly GroupBlocker[];
      /** Namespaces of which an attempt may hold the migrations still: they give no answer. */
      readonly held?: readonly string[];
    }
  | { readonly done: GroupCutoverReport; readonly reports: readonly CutoverReport[] };

/** Names of the messages between a group and its collections; no person sends them. */
export const groupMessages = {
  /** Signal to a collection: its copy may begin. */
  turn: 'groupTurn',
  /** Update of a collection: it stands by for the group's cutover, and answers with its migration. */
  cutover: 'groupCutover',
  /** Signal to a collection: how that cutover has ended. */
  outcome: 'groupOutcome',
  /** Signal to the group: how far a collection is. */
  report: 'collectionReport',
} as const;
