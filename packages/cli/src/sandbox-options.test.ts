import { expect, test } from '@jest/globals';
import { type SandboxArguments, sandboxPolicy } from './sandbox-options.ts';

const NOTHING: SandboxArguments = { sandbox: 'none', sandboxNetwork: false };

test('sizes have units, folders are absolute, and the data folder that was named is hidden', () => {
  const policy = sandboxPolicy(
    {
      ...{ sandbox: 'bwrap', sandboxNetwork: true, sandboxRead: ['/srv/models'], sandboxImage: ['a', 'b'] },
      ...{
        sandboxMemory: '512M',
        sandboxDisk: '4G',
        sandboxFileSize: '1GiB',
        sandboxCpus: 0.5,
        sandboxFiles: 64,
      },
    },
    '/srv/hive',
  );
  expect(policy).toEqual({
    minimum: 'bwrap',
    images: ['a', 'b'],
    network: true,
    readable: ['/srv/models'],
    hidden: ['/srv/hive'],
    limits: { memoryBytes: 2 ** 29, diskBytes: 2 ** 32, fileBytes: 2 ** 30, cpus: 0.5, openFiles: 64 },
  });
  expect(sandboxPolicy(NOTHING, undefined)).toMatchObject({ minimum: 'none', limits: {}, hidden: [] });
});

test('what is no size, or no limit, is refused', () => {
  expect(() => sandboxPolicy({ ...NOTHING, sandboxMemory: 'much' }, undefined)).toThrow(
    '--sandbox-memory takes a size such as 512M or 4G, not "much".',
  );
  expect(() => sandboxPolicy({ ...NOTHING, sandboxProcesses: 0 }, undefined)).toThrow('from 1 to');
});
