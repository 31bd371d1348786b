import { delimiter, dirname } from 'node:path';
import type { Environment } from './environment.js';
import { pageUrl, TASK_QUEUE, WORKFLOW_ID, WORKFLOW_TYPE } from './migration.js';

const BACK_ID = 'migrate:target:shop.orders';
const BACK_INPUT = {
  source: 'target',
  target: 'source',
  namespace: 'shop.orders',
  targetNamespace: 'shop.orders_back',
};

/** What to try while everything is up, in commands to copy. */
export function keepText({ source, target, temporal }: Environment): string[] {
  const input = JSON.stringify(BACK_INPUT);
  // A shell joins what a backslash parts, but not within quotes: this fits 80 columns.
  const middle = input.indexOf(',"namespace"');
  return [
    'Everything stays up, and the writers go on on the target. Ctrl-C ends it all.',
    '',
    'Look at the migration:',
    pageUrl(temporal.uiUrl),
    '',
    'Look at both sides:',
    `mongosh '${withDatabase(source.uri)}'`,
    `mongosh '${withDatabase(target.uri)}'`,
    '',
    'Ask the migration for its status:',
    ...aliasOf(temporal.cli),
    `export TEMPORAL_ADDRESS=${temporal.address}`,
    `temporal workflow query --workflow-id ${WORKFLOW_ID} --type status`,
    '',
    'Migrate back, into shop.orders_back, while the writers go on; then cut over:',
    `temporal workflow start --workflow-id ${BACK_ID} \\`,
    `  --type ${WORKFLOW_TYPE} --task-queue ${TASK_QUEUE} \\`,
    `  --input '${input.slice(0, middle)}'\\`,
    `'${input.slice(middle)}'`,
    `temporal workflow query --workflow-id ${BACK_ID} --type status`,
    `temporal workflow update execute --workflow-id ${BACK_ID} \\`,
    '  --name cutover',
  ];
}

function withDatabase(uri: string): string {
  return uri.replace('/?', '/shop?');
}

function aliasOf(cli: string): string[] {
  const isOnPath = (process.env['PATH'] ?? '').split(delimiter).includes(dirname(cli));
  return isOnPath ? [] : [`alias temporal='${cli}'`];
}
