import { folder, removeFoldersAfterEach } from '../../testing/folders.ts';
import { storeConformance } from '../../testing/store-conformance.ts';
import { SqliteStore } from './sqlite-store.ts';

removeFoldersAfterEach();
const open = async (more: { cacheBytes?: number; simulatedMillis?: number } = {}) =>
  new SqliteStore({ data: folder(), ...more }, () => '0'.repeat(32), Date.now());

storeConformance('the SQLite store', open);
storeConformance('the SQLite store without a cache', () => open({ cacheBytes: 0 }));
storeConformance('the SQLite store on a slow disk', () => open({ cacheBytes: 0, simulatedMillis: 1 }));
