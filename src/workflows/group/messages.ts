/** Messages of `migrateCollections` that people send, as signals or as updates. */
export const groupMessageNames = [
  'restore',
  'cutover',
  'pause',
  'resume',
  'tune',
  'retry',
  'abort',
] as const;

export type GroupMessageName = (typeof groupMessageNames)[number];

/** What the UI shows beside its forms. */
export const groupDescriptions: Readonly<Record<GroupMessageName | 'status', string>> = {
  status:
    'Where the migration stands: collections by phase, the slowest, what speaks against a cutover.',
  restore: 'Goes on with the restore of all collections, when started with "restore": "signal".',
  cutover:
    'Cuts over all collections at one fence, or none. {"leave": ["shop.carts"]} goes ahead without some; {"force": ["lag"]} overrules blockers by their code; {"at": "2027-06-01T02:00:00Z"} or {"whenLagUnder": 2, "forSeconds": 60} plans it, {"at": null} withdraws that. The update with {"dryRun": true} only answers what speaks against it.',
  pause:
    'Stops copy, replay and verification of all collections; capture goes on, so that nothing is lost.',
  resume: 'Ends a pause.',
  tune: 'Changes settings of all collections: {"parallelPartitions": 4, "copyDocumentsPerSecond": 5000, …}; limits are for each collection. {"parallelCopies": 4} is how many are copied at the same time.',
  retry:
    'Begins collections anew that have ended without a cutover: all of them, or {"namespaces": ["shop.carts"]}.',
  abort:
    'Ends the migration of all collections and removes what it wrote. {"dropTarget": true} also drops the target collections.',
};
