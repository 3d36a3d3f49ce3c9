/** A node as a process of its own, started by `startNodes`. */
import { HeapPolicy } from '@hive/queen';
import { formatAddress, LOOPBACK } from '@hive/shared/node';
import { serveParent } from './child.ts';
import type { NodeConfig } from './ipc.ts';
import { startNode } from './node/node.ts';

/** Others on this machine are heard of in this time. */
const ANNOUNCE_MILLIS = 500;

serveParent<NodeConfig, string>(async ({ data, slots, discoveryPort }) => {
  new HeapPolicy();
  const node = await startNode({
    data,
    slots,
    port: 0,
    host: LOOPBACK,
    discovery: { port: discoveryPort, everyMillis: ANNOUNCE_MILLIS },
  });
  return { ready: formatAddress(node.address), stop: () => node.stop({ drain: false }) };
});
