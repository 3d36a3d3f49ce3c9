/** `--sandbox` and its limits, of `hive drone`: what the operator demands of all that runs there as a process. */
import { resolve } from 'node:path';
import type { SandboxPolicy } from '@hive/drone';
import { checkSandboxLimits, SANDBOX_LEVELS, type SandboxLevel, UsageError } from '@hive/shared';
import { parseBytes } from './format.ts';

export interface SandboxArguments {
  readonly sandbox: SandboxLevel;
  readonly sandboxImage?: readonly string[] | undefined;
  readonly sandboxNetwork: boolean;
  readonly sandboxRead?: readonly string[] | undefined;
  readonly sandboxMemory?: string | undefined;
  readonly sandboxCpus?: number | undefined;
  readonly sandboxCpuTime?: number | undefined;
  readonly sandboxProcesses?: number | undefined;
  readonly sandboxFiles?: number | undefined;
  readonly sandboxFileSize?: string | undefined;
  readonly sandboxDisk?: string | undefined;
}

const text = { type: 'string', requiresArg: true } as const;
const number = { type: 'number', requiresArg: true } as const;

export const SANDBOX_OPTIONS = {
  sandbox: {
    ...text,
    choices: SANDBOX_LEVELS,
    default: 'none' as const,
    describe: 'What commands run in at least; a job may ask for more, never for less',
  },
  'sandbox-image': { ...text, array: true, describe: 'Docker image of this machine that jobs may use' },
  'sandbox-network': {
    type: 'boolean',
    default: false,
    describe: 'Let jobs in bwrap and docker have the network if they ask for it',
  },
  'sandbox-read': { ...text, array: true, describe: 'Folder that bwrap and docker show, read-only' },
  'sandbox-memory': { ...text, describe: 'Memory of one command, such as 512M' },
  'sandbox-cpus': { ...number, describe: 'Processors of one command, such as 0.5' },
  'sandbox-cpu-time': { ...number, describe: 'Seconds of processor time of each process' },
  'sandbox-processes': { ...number, describe: 'Processes and threads of one command' },
  'sandbox-files': { ...number, describe: 'Open files of each process' },
  'sandbox-file-size': { ...text, describe: 'Size of each file that is written, such as 1G' },
  'sandbox-disk': { ...text, describe: "Size of all files in a command's folders, such as 4G" },
} as const;

/** @param data the data folder that was named, which nothing in a sandbox may see. @throws UsageError */
export function sandboxPolicy(argv: SandboxArguments, data: string | undefined): SandboxPolicy {
  return {
    minimum: argv.sandbox,
    images: argv.sandboxImage ?? [],
    network: argv.sandboxNetwork,
    readable: (argv.sandboxRead ?? []).map((path) => resolve(path)),
    hidden: data === undefined ? [] : [resolve(data)],
    limits: checkSandboxLimits({
      memoryBytes: bytesOf('--sandbox-memory', argv.sandboxMemory),
      cpus: argv.sandboxCpus,
      cpuSeconds: argv.sandboxCpuTime,
      processes: argv.sandboxProcesses,
      openFiles: argv.sandboxFiles,
      fileBytes: bytesOf('--sandbox-file-size', argv.sandboxFileSize),
      diskBytes: bytesOf('--sandbox-disk', argv.sandboxDisk),
    }),
  };
}

function bytesOf(option: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const bytes = parseBytes(value);
  if (!Number.isNaN(bytes)) return bytes;
  throw new UsageError(`${option} takes a size such as 512M or 4G, not "${value}".`, 'badNumber');
}
