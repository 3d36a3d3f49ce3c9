// A function of yours, on all cores of this machine; without `local`, on those of every machine of your Hive.
import { connect } from '@hive/client';
import primes from './primes.task.ts';

await using hive = await connect({ local: true });
const stretches = Array.from({ length: 100 }, (_, i) => ({ from: i * 10_000, to: (i + 1) * 10_000 }));
const counts = await hive.map(primes, stretches); // numbers, as the task says
console.log(
  counts.reduce((sum, count) => sum + count),
  'primes below a million',
);
