/** Lists of jobs come in pages, and the next page is found whatever has happened to the jobs of the last one. */
import { type JobId, jobId } from '@hive/shared';
import { expect, test } from '@jest/globals';
import { Stage } from './testing/stage.ts';

const idOf = (n: number): JobId => jobId(`01890000-0000-7000-8000-${String(n).padStart(12, '0')}`);

interface Page {
  readonly jobs: readonly { readonly id: string }[];
  readonly next?: number;
}

test('all jobs are listed once, newest first, though old ones go and new ones come meanwhile', () => {
  const stage = new Stage();
  const client = stage.client();
  for (let n = 1; n <= 25; n++) stage.submit(client, idOf(n));
  const found: string[] = [];
  let pages = 0;
  for (let before: number | undefined; ; ) {
    const request = ++pages;
    stage.say(client, {
      type: 'Query',
      request,
      about: 'jobs',
      limit: 10,
      ...(before === undefined ? {} : { before }),
    });
    const { jobs, next } = stage.take('Answer')!.body as unknown as Page;
    found.push(...jobs.map(({ id }) => id));
    if (next === undefined) break;
    before = next;
    // The last one that was listed goes, and another one comes.
    stage.say(client, { type: 'Cancel', request: 0, job: idOf(Number(found.at(-1)!.slice(-12))) });
    stage.take('Answer');
    stage.say(client, { type: 'Manage', request: 0, action: 'gc' });
    stage.take('Answer');
    stage.submit(client, idOf(100 + pages));
  }
  expect(pages).toBe(3);
  expect(found).toEqual(Array.from({ length: 25 }, (_, i) => idOf(25 - i)));
});

test('a page that holds all there is has no next one', () => {
  const stage = new Stage();
  const client = stage.client();
  for (let n = 1; n <= 10; n++) stage.submit(client, idOf(n));
  stage.say(client, { type: 'Query', request: 1, about: 'jobs', limit: 10 });
  expect(stage.take('Answer')!.body).not.toHaveProperty('next');
});
