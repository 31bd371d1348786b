export { migrateCollection } from './migrate-collection.js';
