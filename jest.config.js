import { availableParallelism } from 'node:os';

// No test may look for Queens outside of itself.
process.env['DISCOVERY_PORT'] ??= '0';

/** @type {import('jest').Config} */
export default {
  testEnvironment: 'node',
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
  testTimeout: 30_000,
  // One more than can run at once: many tests wait for processes.
  maxWorkers: availableParallelism() + 1,
};
