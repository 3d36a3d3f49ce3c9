// A job with a handle: progress while it runs, the outcome of every task, cancelling, and files of any size.
import { connect, fileStream } from '@hive/client';

await using hive = await connect();
const job = await hive.submit({
  kind: 'hash',
  params: { algorithm: 'sha512' },
  inputs: ['a string', new Uint8Array(1_000), fileStream(process.execPath)],
  name: 'a few things to hash',
});
for await (const result of job.results()) {
  if (result.outcome === 'succeeded') console.log(result.index, result.value);
  else console.log(result.index, result.outcome, result.error.message);
}
const { state, counts } = await job.done;
console.log(`job ${job.id} ${state}: ${counts.succeeded} of ${counts.appended} tasks succeeded`);
