/** `hive bench command --output SIZE`: one command that prints so much, read as a stream; the Queen's memory stays as it was. */
import { connect, readCommandResult } from '@hive/client';
import { startProcesses } from '@hive/local';
import type { StoreName } from '../cluster.ts';
import { hardware } from '../hardware.ts';
import { bytes as formatBytes } from '../print.ts';
import { spread } from '../stats.ts';

export interface OutputBenchOptions {
  readonly bytes: number;
  readonly runs: number;
  readonly store: StoreName;
  readonly json: boolean;
}

export async function runOutputBench({ bytes, runs, store, json }: OutputBenchOptions): Promise<void> {
  const processes = await startProcesses({ drones: 1, slotsPerDrone: 1, store });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => processes.stop());
  const hive = stack.use(await connect({ ...processes.access, name: 'bench' }));
  const params = { argv: ['head', '-c', String(bytes), '/dev/zero'], keepStdout: bytes };
  const read = async () => {
    const job = await hive.submit({ kind: 'command', inputs: [null], params });
    for await (const { value } of job.results({ streams: true })) await check(value, bytes);
  };
  const peaks = async () =>
    (await Promise.all([processes.queen, processes.drones[0]!].map((each) => each.rusage()))).map(
      ({ peakBytes }) => peakBytes,
    );
  await read();
  const before = await peaks();
  const rates: number[] = [];
  for (let run = 0; run < runs; run++) {
    const start = performance.now();
    await read();
    rates.push(bytes / 1024 ** 2 / ((performance.now() - start) / 1_000));
  }
  const [queenGrowth, droneGrowth] = (await peaks()).map((peak, i) => peak - before[i]!);
  const rate = spread(rates);
  const report = {
    bench: 'command output',
    hardware: hardware(),
    bytes,
    runs,
    store,
    mebibytesPerSecond: rate,
  };
  if (json)
    console.log(JSON.stringify({ ...report, queenPeakGrowth: queenGrowth, dronePeakGrowth: droneGrowth }));
  else {
    console.log(
      `command output: one command that prints ${formatBytes(bytes)}, its result read as a stream; ${runs} runs after warming up\n` +
        `  MiB/s           ${rate.median.toFixed(0)} median (${rate.min.toFixed(0)} to ${rate.max.toFixed(0)})\n` +
        `  peak memory     grew by ${formatBytes(queenGrowth!)} (Queen) and ${formatBytes(droneGrowth!)} (Drone) in these runs`,
    );
  }
}

async function check(value: unknown, bytes: number): Promise<void> {
  const { exitCode, stdout } = await readCommandResult(value);
  let read = 0;
  for await (const chunk of stdout.chunks()) read += chunk.length;
  if (exitCode !== 0 || read !== bytes) throw new Error(`${read} of ${bytes} bytes, exit code ${exitCode}`);
}
