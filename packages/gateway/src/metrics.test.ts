/** Metrics as Prometheus wants them: its own linter finds nothing, and its own server scrapes them. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { Api, send } from './testing/api.ts';

/** Between two questions: to ask all the time would take the time of those who are asked. */
const LOOK_MILLIS = 50;

const has = (program: string) => spawnSync(program, ['--version']).status === 0;
function withPrograms(...programs: string[]) {
  const missing = programs.filter((program) => !has(program));
  if (missing.length === 0) return test;
  process.stderr.write(
    `skipped: there is no ${missing.join(' and no ')} here (Debian's package prometheus)\n`,
  );
  return test.skip;
}

test('metrics count what happens, with few labels', async () => {
  await using api = await Api.start();
  const { job_id } = await api.json<{ job_id: string }>(201, 'POST', 'jobs?kind=echo', '1\n2\n3\n', {
    'content-type': 'application/x-ndjson',
  });
  await api.get(`jobs/${job_id}/results`);
  await api.get('nothing/of/the/kind');
  const { text, headers } = await api.get('/metrics');
  expect(headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/);
  for (const line of [
    'hive_queen_up 1',
    'hive_slots 2',
    'hive_jobs{state="JOB_COMPLETED"} 1',
    'hive_tasks_recorded_total 3',
    'hive_http_lines_total{direction="in"} 3',
    'hive_http_lines_total{direction="out"} 3',
    'hive_http_requests_total{method="POST",route="/api/v1/jobs",code="201"} 1',
    'hive_http_requests_total{method="GET",route="/api/v1/jobs/:id/results",code="200"} 1',
    'hive_http_requests_total{method="GET",route="none",code="404"} 1',
  ])
    expect(text.split('\n')).toContain(line);
  expect(text).not.toContain(job_id);
});

withPrograms('promtool')('promtool finds nothing to say about them', async () => {
  await using api = await Api.start();
  await api.json(201, 'POST', 'jobs', { kind: 'echo', input: 1 });
  const { text } = await api.get('/metrics');
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text });
  expect({ status, said: `${stdout}${stderr}` }).toEqual({ status: 0, said: '' });
});

withPrograms('prometheus')('a real Prometheus scrapes them, with a key too', async () => {
  await using api = await Api.start();
  const folder = mkdtempSync(join(tmpdir(), 'hive-prometheus-'));
  writeFileSync(join(folder, 'key'), api.local.key!, { mode: 0o600 });
  const config = {
    global: { scrape_interval: '1s', scrape_timeout: '1s' },
    scrape_configs: [
      { job_name: 'hive', static_configs: [{ targets: [`localhost:${api.port}`] }] },
      {
        job_name: 'hive-with-key',
        authorization: { credentials_file: join(folder, 'key') },
        static_configs: [{ targets: [`127.0.0.1:${api.port}`] }],
      },
    ],
  };
  writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config));
  const prometheus = spawn(
    'prometheus',
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      '--web.listen-address=127.0.0.1:0',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const ended = new Promise((resolve) => prometheus.once('close', resolve));
  try {
    const found = await scraped(await portOf(prometheus.stderr), 'hive_queen_up');
    expect(found.map(({ metric, value }) => [metric['job'], value[1]]).sort()).toEqual([
      ['hive', '1'],
      ['hive-with-key', '1'],
    ]);
  } finally {
    prometheus.kill('SIGTERM');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  }
});

interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}
/** What Prometheus has of a metric, once both jobs have been scraped. */
async function scraped(port: number, metric: string): Promise<readonly Sample[]> {
  for (;;) {
    const answer = await send({ port, path: `/api/v1/query?query=${metric}` }).catch(() => null);
    const { data } = answer?.status === 200 ? JSON.parse(answer.text) : { data: { result: [] } };
    if (data.result.length === 2) return data.result;
    await sleep(LOOK_MILLIS);
  }
}

/** The port that it has been given, which it says on its standard error; that is read on. */
function portOf(stderr: Readable): Promise<number> {
  let said = '';
  return new Promise((resolve, reject) => {
    stderr.on('data', (chunk) => {
      said += chunk;
      const [, port] = /"Listening on" address=127\.0\.0\.1:(\d+)/.exec(said) ?? [];
      if (port !== undefined) resolve(Number(port));
    });
    stderr.once('end', () => reject(new Error(`Prometheus has ended: ${said}`)));
  });
}
