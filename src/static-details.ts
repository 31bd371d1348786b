import type { MigrateCollectionsOptions } from './group-options.js';
import type { MigrateCollectionOptions } from './options.js';
import { firstOf, shorten } from './shorten.js';

/** Patterns that are named. */
const SHOWN = 5;

/** Temporal refuses a start whose summary has more than 400 bytes with its envelope; a character has three at most. */
const MOST_LETTERS = 120;

type OfOne = Pick<
  MigrateCollectionOptions,
  'source' | 'target' | 'namespace' | 'targetNamespace' | 'copy' | 'verify' | 'cutover'
>;
type OfGroup = Pick<
  MigrateCollectionsOptions,
  'source' | 'target' | 'namespaces' | 'exclude' | 'copy' | 'verify' | 'cutover'
>;

/**
 * What a migration was started for and how it is led, as Markdown: what Temporal's UI shows for as long as it runs.
 * @param group workflow id of the group that it belongs to.
 */
export function staticDetails(options: OfOne | OfGroup, group?: string): string {
  const { source, target, copy, verify, cutover } = options;
  const when = typeof cutover === 'string' ? cutover : JSON.stringify(cutover);
  return [
    `Moves ${whatOf(options)} from \`${source}\` to \`${target}\` while applications write.`,
    `Copy \`${copy}\`, comparison \`${verify}\`, cutover \`${when}\`.`,
    `Where it is by now, and what it waits for: **Current Details**. Under **More Actions**, **Send an Update**: ${
      group === undefined
        ? '`cutover` opens the target, '
        : `its group ${code(group)} is what \`cutover\` is sent to; here `
    }\`pause\` and \`resume\`, \`tune\`, ${'namespaces' in options ? '`retry` for those that have failed, ' : ''}\`abort\` ends it and removes what it wrote.`,
  ].join('\n\n');
}

function whatOf(options: OfOne | OfGroup): string {
  if ('namespace' in options) {
    const { namespace, targetNamespace } = options;
    const renamed = namespace === targetNamespace ? '' : ` as ${code(targetNamespace)}`;
    return `${code(namespace)}${renamed}`;
  }
  const but = options.exclude.length > 0 ? ` but ${some(options.exclude)}` : '';
  return `all collections of ${some(options.namespaces)}${but}`;
}

function some(patterns: readonly string[]): string {
  return firstOf(patterns.map(code), SHOWN);
}

/** A name in which nothing is formatting: a backtick would end it. */
function code(name: string): string {
  return `\`${shorten(name.replaceAll('`', "'"))}\``;
}

/** What is shown beside a workflow's id in Temporal's UI, as long as it may be. */
export function summaryOf(text: string): string {
  return shorten(text, MOST_LETTERS);
}
