/** A list of jobs is whole whichever nodes have them: each gives its share first, and who has more of the page is asked again. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { TestMesh } from '../testing/mesh.ts';

/** Another than those of tests that run beside this one. */
const DISCOVERY_PORT = 48_932;
const JOBS = 100;

let mesh: TestMesh;
beforeEach(() => {
  mesh = new TestMesh(DISCOVERY_PORT);
});
afterEach(() => mesh.end());

test('a page that one node alone can fill is full, at any node', async () => {
  const [a, b] = [await mesh.start(), await mesh.start(), await mesh.start()];
  for (const node of [a, b]) await mesh.nodes(await mesh.client(node), (known) => known.length === 3);
  const jobs = Array.from({ length: JOBS }, (_, i) => ({ kind: 'echo', input: i, name: `job ${i}` }));
  const given = await fetch(`${a.api}/jobs/batch`, { method: 'POST', body: JSON.stringify({ jobs }) });
  expect(given.status).toBe(200);
  for (const { api } of [a, b]) {
    const { jobs: listed, next_cursor } = (await (await fetch(`${api}/jobs?limit=${JOBS}`)).json()) as {
      jobs: { name: string; target_node: string }[];
      next_cursor: string | null;
    };
    expect(listed.map(({ name }) => name).sort()).toEqual(jobs.map(({ name }) => name).sort());
    expect(new Set(listed.map(({ target_node }) => target_node))).toEqual(new Set([a.name]));
    expect(next_cursor).toBeNull();
  }
});
