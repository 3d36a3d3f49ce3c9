/** A gateway in a process of its own, as the benchmark starts it; it ends with whoever started it. */
import { startGateway } from '@hive/gateway';
import type { ProcessesAccess } from '@hive/local';

export interface Usage {
  readonly cpuMillis: number;
  readonly residentBytes: number;
}

process.once('message', async (queen: ProcessesAccess) => {
  // One caller is all there is, and it asks as fast as it can.
  const gateway = await startGateway({ queen, port: 0, requestsPerSecond: Number.POSITIVE_INFINITY });
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    const usage: Usage = { cpuMillis: (user + system) / 1000, residentBytes: process.memoryUsage.rss() };
    process.send!({ usage });
  });
  process.once('disconnect', () => void gateway.close().finally(() => process.exit()));
  process.send!({ port: gateway.port });
});
