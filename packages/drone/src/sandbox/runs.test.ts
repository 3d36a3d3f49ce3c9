/** What a run can rely on in every sandbox: that it is told to end, gets its variables whole, and leaves nothing behind. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { afterAll, describe, expect, test } from '@jest/globals';
import { ColumnBoxes } from '../testing/column-boxes.ts';
import { endRun } from '../testing/ending-runs.ts';
import { type Boxes, killAll, newMarker, type Started, until } from '../testing/sandboxed.ts';
import { COLUMNS } from './protections.ts';
import { runVerdict } from './run.ts';

const columns = await ColumnBoxes.start();
afterAll(() => columns.close(), 180_000);

describe.each(COLUMNS)('in the column %s', (column) => {
  const boxes = columns.open(column);
  const check = boxes === null ? test.skip : test;
  const scene = (name: string, act: (boxes: Boxes, marker: string) => Promise<void>): void =>
    check(name, async () => {
      const marker = newMarker();
      try {
        await act(boxes!, marker);
      } finally {
        await killAll(marker);
      }
    });

  scene('SIGTERM reaches the command, which may tidy up and choose its exit code', async (boxes, marker) => {
    const started = boxes.start(
      `trap 'echo tidied; exit 7' TERM; echo ready; while :; do sleep 0.05; done`,
      marker,
    );
    await until('it runs', () => started.output().includes('ready'));
    endRun(started.plan.handle, started.pid, 'SIGTERM');
    await started.ended;
    await boxes.finish(started);
    expect(started.output()).toContain('tidied');
    expect(started.child.exitCode).toBe(7);
  });

  scene('variables arrive as they are, whatever is in them', async (boxes, marker) => {
    const environment = {
      TEXT: `two\nlines '"$(x)\\`,
      EMPTY: '',
      SPACES: '  a  ',
      LONG: 'x'.repeat(100_000),
    };
    const said = await boxes.run(
      'printf "[%s][%s][%s][%s]" "$TEXT" "$EMPTY" "$SPACES" "$' + '{#LONG}"',
      marker,
      { environment },
    );
    expect(said).toBe(`[${environment.TEXT}][][  a  ][100000]`);
  });

  scene('HOME, TMPDIR and the working folder are its own, and can be written', async (boxes, marker) => {
    const folder = boxes.folder('runs/mine', 0o700);
    const said = await boxes.run('pwd; echo x >"$TMPDIR/t" && echo x >"result" && echo done', marker, {
      folder,
    });
    expect(said).toBe(`${folder}\ndone\n`);
    expect(statSync(join(folder, 'result')).size).toBe(2);
  });

  scene('it lasts as long as it likes, and its streams need not be pipes', async (boxes, marker) => {
    const started = boxes.start('while read -r line; do echo "got $line"; done; exit 5', marker, {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const input = started.child.stdin!;
    for (const word of ['one', 'two']) {
      input.write(`${word}\n`);
      await until('it answers', () => started.output().includes(`got ${word}`));
    }
    input.end();
    await started.ended;
    await boxes.finish(started);
    expect(started.child.exitCode).toBe(5);
  });

  const isBox = column === 'docker' || column.startsWith('bwrap');

  if (column !== 'docker')
    scene('further file descriptors reach it', async (boxes, marker) => {
      const started = boxes.start('read -r line <&3; echo "answer to $line" >&3', marker, {
        stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      });
      const channel = started.child.stdio[3] as Duplex;
      let said = '';
      channel.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
      channel.write('a call\n');
      await started.ended;
      await boxes.finish(started);
      expect(said).toBe('answer to a call\n');
    });

  if (isBox)
    scene(
      'a data folder inside of the working folder is there, but not to be seen',
      async (boxes, marker) => {
        const home = boxes.folder('home', 0o777);
        const data = join(home, 'data');
        mkdirSync(data, { mode: 0o700 });
        writeFileSync(join(data, 'secret'), 'the-secret-itself');
        boxes.own(data);
        (boxes.setup.policy.hidden as string[]).push(data);
        const said = await boxes.run(
          'ls data; cat data/secret; echo x >data/new; echo x >own; echo end',
          marker,
          {
            folder: home,
          },
        );
        expect(said).toContain('end');
        expect(said).not.toContain('the-secret-itself');
        expect([existsSync(join(data, 'new')), existsSync(join(home, 'own'))]).toEqual([false, true]);
      },
    );

  scene('nothing of it is left behind', async (boxes, marker) => {
    const started: Started = boxes.start('echo x >"$TMPDIR/t"; sleep 1000 & exit 0', marker, {
      stdio: ['ignore', 'ignore', 'ignore'],
    });
    await started.ended;
    endRun(started.plan.handle, started.pid, 'SIGKILL');
    await boxes.finish(started);
    const { scratch, cgroups, container } = started.plan.handle;
    expect([scratch, ...(cgroups?.folders ?? [])].filter((path) => existsSync(path))).toEqual([]);
    if (container === null) return;
    const { path, env } = container.engine;
    expect(execFileSync(path, ['ps', '--all', '--quiet'], { env }).toString()).toBe('');
  });

  if (column.endsWith('+cgroups'))
    scene('where cgroups count, it is said what a run was cut short by', async (boxes, marker) => {
      const started = boxes.start('dd if=/dev/zero of=/dev/null bs=200M count=1; exit 1', marker, {
        wish: { memoryBytes: 64 * 1024 * 1024 },
      });
      await started.ended;
      expect(runVerdict(started.plan.handle)).toBe('memory');
      await boxes.finish(started);
    });
});
