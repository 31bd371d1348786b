export { endUnknown as default } from './unknown.js';
export { migrateCollection } from './migrate-collection.js';
export { migrateCollections } from './migrate-collections.js';
export { preflight } from './preflight.js';
export { verifyCollection } from './verify-collection.js';
