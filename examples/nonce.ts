// Proof of work: the smallest nonce whose SHA-256, behind a text, begins with k zero bits: `node examples/nonce.ts hive 16`.
import { connect } from '@hive/client';
import search, { STRETCH } from './nonce.task.ts';

const text = process.argv[2] ?? 'hive';
const bits = Number(process.argv[3] ?? 16);
await using hive = await connect({ local: true });

// A trillion stretches. The first that finds one ends the job: the rest is cancelled, running work included.
const any = await hive
  .range<number>(0, 1e12, search, { reduce: 'min', params: { text, bits, isHasty: true } })
  .outcome();
// Stretches run side by side, so an earlier one may have been cancelled: those below are searched to their end.
const below = Math.floor(any.value / STRETCH) + 1;
const smallest = await hive.range<number>(0, below, search, {
  reduce: 'min',
  params: { text, bits, isHasty: false },
});
console.log(`${text}${smallest}`);
