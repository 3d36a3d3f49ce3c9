/** Arrays of integers, echoed: what the engine itself costs when the work costs nothing. */
import { appendValue, PageBuilder, readValues } from '@hive/shared';
import type { Bench } from './runs.ts';

export function echoBench(tasks: number): Bench {
  const inputs = Array.from({ length: tasks }, (_, i) => i);
  return {
    name: 'echo',
    method: `one array job of ${tasks.toLocaleString('en')} integers, results back in order`,
    tasks,
    limit: 'one in-process loop that encodes, copies and decodes the same pages',
    async run({ hive }) {
      const results = await hive.map('echo', inputs).all();
      checkEcho(results, tasks);
      return null;
    },
    measureLimit: async () => loop(inputs),
  };
}

function checkEcho(results: readonly unknown[], tasks: number): void {
  if (results.length !== tasks) throw new Error(`${results.length} results for ${tasks} tasks`);
  for (let i = 0; i < tasks; i++) {
    if (results[i] !== i) throw new Error(`task ${i} gave ${String(results[i])}`);
  }
}

/** Tasks per second of encoding, copying and decoding, with nobody in between. */
function loop(inputs: readonly number[]): number {
  const start = performance.now();
  const results: unknown[] = [];
  const builder = new PageBuilder();
  const flush = () => {
    const page = builder.take();
    for (const value of readValues({ ...page, data: page.data.slice() }, 'msgpack')) results.push(value);
  };
  for (const input of inputs) {
    appendValue(builder, 'msgpack', input);
    if (builder.isFull) flush();
  }
  flush();
  const millis = performance.now() - start;
  checkEcho(results, inputs.length);
  return (inputs.length / millis) * 1000;
}
