/**
 * Commands: `/bin/true` again and again, two at a time, through a whole cluster, beside the bare ways of starting it on
 * the same machine right before: a C loop over posix_spawn, a loop over Node's spawn, and GNU parallel.
 */
import type { Cluster } from '../cluster.ts';
import type { Bench } from '../runs.ts';
import type { Measure } from './limits.ts';

export const PROGRAM = '/bin/true';

export function commandBench(tasks: number, limit: Measure): Bench {
  const inputs = Array.from({ length: tasks }, () => null);
  return {
    name: 'command',
    method: `one array job of ${tasks.toLocaleString('en')} commands (${PROGRAM}), each in its own process group, output captured, exit code checked`,
    tasks,
    limit: limit.what,
    async run({ hive }: Cluster) {
      let done = 0;
      const params = { argv: [PROGRAM], exitCodes: 'any' };
      for await (const value of hive.map('command', inputs, { params })) {
        const { exitCode, stdout } = value as { exitCode?: number; stdout: Uint8Array };
        if (exitCode !== 0 || stdout.length > 0) throw new Error(`command ${done} ended with ${exitCode}`);
        done++;
      }
      if (done !== tasks) throw new Error(`${done} results for ${tasks} commands`);
      return null;
    },
    measureLimit: () => limit.perSecond(),
  };
}
