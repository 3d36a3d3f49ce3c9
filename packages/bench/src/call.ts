/** Single calls: many in flight, and one at a time. */
import type { Hive } from '@hive/client';
import type { Bench } from './runs.ts';

export function callBench(calls: number, inFlight: number): Bench {
  const times = new Float64Array(calls);
  return {
    name: inFlight === 1 ? 'call, one at a time' : 'call',
    method: `${calls.toLocaleString('en')} single calls of echo, ${inFlight} in flight`,
    tasks: calls,
    limit: 'the same loops around an async function in this process',
    async run({ hive }) {
      await loops(calls, inFlight, times, (i) => hive.call('echo', i));
      return Array.from(times);
    },
    async measureLimit() {
      const start = performance.now();
      await loops(calls, inFlight, new Float64Array(calls), async (i) => i);
      return (calls / (performance.now() - start)) * 1000;
    },
  };
}

async function loops(
  calls: number,
  inFlight: number,
  times: Float64Array,
  call: (i: number) => ReturnType<Hive['call']>,
): Promise<void> {
  let next = 0;
  const loop = async () => {
    while (next < calls) {
      const i = next++;
      const start = performance.now();
      const value = await call(i);
      times[i] = performance.now() - start;
      if (value !== i) throw new Error(`call ${i} gave ${String(value)}`);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, loop));
}
