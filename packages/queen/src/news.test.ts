/** Other nodes hear of a job as soon as it is accepted, and a flood of jobs does not become a flood of news. */
import { type JobId, jobId, LIMITS, type SessionNumber } from '@hive/shared';
import { describe, expect, test } from '@jest/globals';
import { Stage } from './testing/stage.ts';

const idOf = (n: number): JobId => jobId(`01890000-0000-7000-8000-${String(n).padStart(12, '0')}`);

interface Told {
  readonly status?: unknown;
  readonly jobs: readonly { readonly id: string; readonly state: string }[];
}
/** What a session was told in Overviews and the test has not taken. */
function overviews(stage: Stage, session: SessionNumber): Told[] {
  const told: Told[] = [];
  for (const send of stage.said.splice(0)) {
    if (send.session === session && send.message.type === 'Overview')
      told.push(send.message.body as unknown as Told);
  }
  return told;
}
function watched(): { stage: Stage; node: SessionNumber; client: SessionNumber } {
  const stage = new Stage();
  const [node, client] = [stage.node(), stage.client()];
  stage.say(node, { type: 'Watch', everyMillis: 60_000 });
  overviews(stage, node);
  return { stage, node, client };
}

describe('a node that watches', () => {
  test('hears of a new job within 20 ms, once it is committed', () => {
    const { stage, node, client } = watched();
    stage.submit(client, idOf(1));
    stage.submit(client, idOf(2));
    stage.now += 20;
    const { now, afterCommit } = stage.scheduler.step({ type: 'timePassed' }, stage.now);
    expect(now).toEqual([]);
    expect(afterCommit).toMatchObject([
      { session: node, message: { type: 'Overview', body: { jobs: [{ id: idOf(2) }, { id: idOf(1) }] } } },
    ]);
    expect(afterCommit[0]!.message).not.toHaveProperty('body.status');
    stage.advance(10_000);
    expect(overviews(stage, node)).toEqual([]);
  });

  test('hears of the newest of many, and not more often than is good for either', () => {
    const { stage, node, client } = watched();
    for (let n = 1; n <= 5_000; n++) {
      stage.submit(client, idOf(n));
      if (n % 5 === 0) stage.advance(1);
    }
    const news = overviews(stage, node);
    const jobs = news.flatMap((told) => told.jobs);
    // In one second.
    expect(news.length).toBeLessThanOrEqual(12);
    expect(jobs.length).toBeLessThanOrEqual(12 * LIMITS.newsJobsMax);
    stage.advance(200);
    expect(overviews(stage, node).at(-1)!.jobs[0]!.id).toBe(idOf(5_000));
  });

  test('hears nothing of hidden jobs, nor after it has stopped watching or gone', () => {
    const { stage, node, client } = watched();
    stage.submit(client, idOf(1), { hidden: true, attached: true });
    stage.advance(100);
    const isHidden = stage.job(idOf(1)).isHidden;
    expect([isHidden, ...overviews(stage, node)]).toEqual([true]);
    stage.say(node, { type: 'Watch', everyMillis: 0 });
    stage.submit(client, idOf(2));
    stage.advance(100);
    expect(overviews(stage, node)).toEqual([]);
    stage.say(node, { type: 'Watch', everyMillis: 60_000 });
    stage.lose(node);
    stage.submit(client, idOf(3));
    expect(stage.state.news.watchers.size).toBe(0);
    expect(stage.state.news.isEmpty).toBe(true);
  });

  test('a client that watches hears overviews only', () => {
    const { stage, client } = watched();
    stage.say(client, { type: 'Watch', everyMillis: 60_000 });
    overviews(stage, client);
    stage.submit(client, idOf(1));
    stage.advance(100);
    expect(overviews(stage, client)).toEqual([]);
  });
});

test('what a node has heard of a job survives its own restart, and answers for the job while the owner is away', () => {
  const stage = new Stage();
  const owner = 'b'.repeat(32);
  const facts = {
    node: owner,
    name: 'b',
    version: '',
    addresses: ['10.0.0.2:8080'],
    state: 'IDLE',
    slots: 1,
    busySlots: 0,
    queue: 0,
  } as const;
  const job = { id: idOf(1), createdAt: '2026-01-01T00:00:00.000Z', node: owner, state: 'running' };
  // Of somebody who has not said who it is, nothing is believed.
  stage.step({ type: 'jobsHeard', node: owner, jobs: [job] });
  expect(stage.state.elsewhere.size).toBe(0);
  stage.step({ type: 'nodeHeard', facts, jobs: [] });
  stage.step({ type: 'jobsHeard', node: owner, jobs: [job, { ...job, id: idOf(2), node: 'another' }] });
  stage.restart();
  const client = stage.client();
  stage.say(client, { type: 'Query', request: 1, about: 'job', job: idOf(1) });
  expect(stage.take('Answer')!.body).toMatchObject({ ...job, nodeName: 'b' });
  stage.say(client, { type: 'Query', request: 2, about: 'job', job: idOf(2) });
  expect(stage.take('Refused')).toMatchObject({ code: 'unknownJob' });
});
