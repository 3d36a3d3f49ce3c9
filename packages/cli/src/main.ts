#!/usr/bin/env node
/** The `hive` command. What it loads is kept compiled between its runs, which halves the time it takes to start. */
import { enableCompileCache } from 'node:module';

enableCompileCache();
await import('./hive.ts');
