// Your own functions, on every core of every machine: the file is bundled, sent once, and run warm. Types come with the import.
import { connect, type TaskError } from '@hive/client';
import resize from './resize.task.ts';

await using hive = await connect();
const pictures = ['bee', 'hive', 'queen'].map((name, n) => ({
  name,
  pixels: new Uint8Array(1_000 * (n + 1)).fill(n),
  every: 10,
}));

const small = await hive.map(resize, pictures);
for (const { name, small: pixels } of small) console.log(name, 'has', pixels.length, 'pixels left');

// What a function throws, its caller catches.
try {
  await hive.call(resize, { ...pictures[0]!, every: 0 }, { retries: 0 });
} catch (error) {
  const { name, code, message, thrown } = error as TaskError;
  console.log(name, code, message, thrown instanceof RangeError);
}
