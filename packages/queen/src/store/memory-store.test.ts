import { storeConformance } from '../testing/store-conformance.ts';
import { MemoryStore } from './memory-store.ts';

storeConformance('the memory store', async () => new MemoryStore());
