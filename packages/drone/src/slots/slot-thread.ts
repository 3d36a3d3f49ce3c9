/** Where a slot's thread begins. What it loads is kept compiled, so that a thread that replaces another is there soon. */
import module from 'node:module';

// Absent in older versions of Node.
module.enableCompileCache?.();
await import('./slot-worker.ts');
