/** The seam for nodes: peers are the mesh's, and jobs are said to be with the node whose gateway took them. */
import { expect, test } from '@jest/globals';
import type { Mesh } from './mesh.ts';
import { Api } from './testing/api.ts';

test('a gateway that is part of a mesh tells of its nodes', async () => {
  const peer = {
    node_id: 'node-b',
    address: '127.0.0.1:8081',
    status: 'IDLE' as const,
    last_heartbeat: '2026-01-01T00:00:00.000Z',
    metadata: {},
    version: '0.1.0',
  };
  const mesh: Mesh = { nodeId: 'node-a', peers: async () => [peer] };
  await using api = await Api.start({ mesh });
  expect(await api.json(200, 'GET', 'peers')).toEqual({ peers: [peer] });
  expect(await api.json(201, 'POST', 'jobs', { command: 'true' })).toMatchObject({ target_node: 'node-a' });
});
