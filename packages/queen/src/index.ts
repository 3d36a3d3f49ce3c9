/** The Queen: owns jobs, leases and the store. */
export type { AskElsewhere, ListElsewhere } from './elsewhere.ts';
export { HeapPolicy } from './heap-policy.ts';
export type { DiscoveryChoice } from './presence.ts';
export * from './queen.ts';
export * from './scheduler/index.ts';
export { MemoryStore } from './store/memory-store.ts';
export { composeFold, composeInputs } from './store/pages.ts';
export { StoreError } from './store/sqlite/errors.ts';
export { type SqliteOptions, SqliteStore } from './store/sqlite/sqlite-store.ts';
export type { Attempt, ResultPage, Store } from './store/store.ts';
