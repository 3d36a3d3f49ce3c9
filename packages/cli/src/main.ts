#!/usr/bin/env node
/** The `hive` command. What it loads is kept compiled between its runs, which halves the time it takes to start. */
import module from 'node:module';

// Absent in older versions of Node.
module.enableCompileCache?.();
await import('./hive.ts');
