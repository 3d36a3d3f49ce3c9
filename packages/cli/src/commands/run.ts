/**
 * `hive run`: GNU parallel's command line. yargs only lists it: its grammar is another one, so the arguments go past yargs
 * as they are.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { CommandModule } from 'yargs';
import { operandBytes } from '../hash/operands.ts';
import { leaveBy, onInterrupt, type Signal } from '../interrupt.ts';
import { textOfBytes } from '../run/byte-text.ts';
import { startEngine } from '../run/cluster/engine.ts';
import { run } from '../run/run.ts';

/** @param args what follows `run` on the command line */
export function runCommand(args: readonly string[]): CommandModule {
  return {
    command: 'run',
    describe: 'Run a command for every value, as GNU parallel does',
    handler: async () => {
      const interrupt = new AbortController();
      const place = {
        stdin: process.stdin,
        stdout: process.stdout,
        stderr: process.stderr,
        env: process.env,
        cwd: process.cwd(),
        pid: process.pid,
        parentPid: process.ppid,
        cpus: availableParallelism(),
        version: ownVersion(),
        now: () => performance.now(),
        interrupt: interrupt.signal,
      };
      let signal: Signal | null = null;
      using _signals = onInterrupt((which) => {
        signal = which;
        interrupt.abort();
      });
      const words = operandBytes(args).map(textOfBytes);
      process.exitCode = await run(words, place, startEngine);
      process.stdin.destroy();
      if (signal !== null) leaveBy(signal);
    },
  };
}

function ownVersion(): string {
  const file = join(import.meta.dirname, '..', '..', 'package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { readonly version: string }).version;
}
