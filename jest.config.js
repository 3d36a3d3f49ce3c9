import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';

// No test may look for Queens outside of itself.
process.env['DISCOVERY_PORT'] ??= '0';
// Hundreds of processes are started, and each loads its TypeScript in half the time when its first file is kept compiled as well.
process.env['NODE_COMPILE_CACHE'] ??= join(tmpdir(), 'node-compile-cache');

/** @type {import('jest').Config} */
export default {
  testEnvironment: '<rootDir>/scripts/test-environment.ts',
  testMatch: ['<rootDir>/packages/**/*.test.ts', '<rootDir>/scripts/**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: { target: 'es2022', parser: { syntax: 'typescript' }, keepClassNames: true },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
  // Many tests start processes, and a busy machine is many times slower than an idle one.
  testTimeout: 120_000,
  testSequencer: '<rootDir>/scripts/test-order.ts',
  // One more than can run at once: many tests wait for processes.
  maxWorkers: availableParallelism() + 1,
};
