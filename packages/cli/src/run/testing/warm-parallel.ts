/**
 * For tests: the installed GNU parallel, whose 15,000 lines of Perl are compiled once for all of its runs, which takes longer than
 * most runs do. It is the unchanged program, in a process of its own each time: Perl, when it has compiled it and before it runs
 * its first line (`INIT`), waits for requests, and forks for each.
 *
 * A request is a line on the standard input of that Perl. The fork connects its three standard streams with our socket, each
 * with a head that says whose it is; sockets are what `spawn` connects a process with, too. Perl says when a fork has ended.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';

/** Digits of a number, and one for the stream. */
const HEAD_BYTES = 11;
const PERL = String.raw`
package HiveWarm;
use strict; use warnings; use Socket; use POSIX ();
my %number;
sub reap {
  while ((my $pid = waitpid(-1, POSIX::WNOHANG())) > 0) {
    syswrite(STDOUT, "$number{$pid} " . ($? & 127 ? -1 : $? >> 8) . "\n");
    delete $number{$pid};
  }
}
sub become {
  my ($number, $path, $folder, $variables, @rest) = @_;
  for my $stream (0 .. 2) {
    socket(my $socket, PF_UNIX, SOCK_STREAM, 0) or POSIX::_exit(127);
    connect($socket, sockaddr_un($path)) or POSIX::_exit(127);
    syswrite($socket, sprintf("%010d%d", $number, $stream));
    POSIX::dup2(fileno($socket), $stream);
  }
  $SIG{CHLD} = 'DEFAULT';
  %ENV = map { split(/=/, $_, 2) } splice(@rest, 0, $variables);
  chdir($folder) or POSIX::_exit(127);
  @ARGV = @rest;
  $^T = time;
}
INIT {
  $SIG{CHLD} = \&reap;
  my $read = '';
  while (1) {
    my $got = sysread(STDIN, $read, 65536, length $read);
    next if !defined $got;
    exit 0 if !$got;
    while ($read =~ s/^(.*)\n//) {
      my @request = map { pack('H*', $_) } split(/,/, $1, -1);
      my $signals = POSIX::SigSet->new(POSIX::SIGCHLD());
      POSIX::sigprocmask(POSIX::SIG_BLOCK(), $signals);
      my $pid = fork;
      if (!$pid) {
        POSIX::sigprocmask(POSIX::SIG_UNBLOCK(), $signals);
        become(@request);
        return;
      }
      $number{$pid} = $request[0];
      POSIX::sigprocmask(POSIX::SIG_UNBLOCK(), $signals);
    }
  }
}
1;
`;

export interface ParallelRun {
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: string | Uint8Array;
}
export interface ParallelEnd {
  /** -1: a signal has ended it. */
  readonly exitCode: number;
  /** One character a byte. */
  readonly stdout: string;
  readonly stderr: string;
}
interface Waiting {
  readonly streams: readonly ((socket: Socket) => void)[];
  readonly ended: (exitCode: number) => void;
}

export class WarmParallel {
  readonly #perl: ChildProcess;
  readonly #server: Server;
  readonly #path: string;
  readonly #waiting = new Map<number, Waiting>();
  #count = 0;

  private constructor(perl: ChildProcess, server: Server, path: string) {
    this.#perl = perl;
    this.#server = server;
    this.#path = path;
    server.on('connection', (socket) => this.#greet(socket));
    createInterface({ input: perl.stdout! }).on('line', (line) => {
      const [number, exitCode] = line.split(' ').map(Number);
      this.#waiting.get(number!)!.ended(exitCode!);
    });
  }

  /** @param folder of its own, for a socket and what Perl reads */
  static async start(folder: string, program: string): Promise<WarmParallel> {
    writeFileSync(join(folder, 'HiveWarm.pm'), PERL);
    const path = join(folder, 'socket');
    const server = createServer({ allowHalfOpen: true }).listen(path);
    await once(server, 'listening');
    const env = { PATH: process.env['PATH'], LC_ALL: 'C' };
    const perl = spawn('perl', [`-I${folder}`, '-MHiveWarm', program], {
      env,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    return new WarmParallel(perl, server, path);
  }

  async run({ args, cwd, env, stdin }: ParallelRun): Promise<ParallelEnd> {
    const number = this.#count++;
    const streams: ((socket: Socket) => void)[] = [];
    const next = () => new Promise<Socket>((resolve) => streams.push(resolve));
    const [into, stdout, stderr] = [next(), next(), next()];
    const ended = new Promise<number>((resolve) => this.#waiting.set(number, { streams, ended: resolve }));
    const variables = Object.entries(env).flatMap(([name, value]) =>
      value === undefined ? [] : [`${name}=${value}`],
    );
    const words = [String(number), this.#path, cwd, String(variables.length), ...variables, ...args];
    this.#perl.stdin!.write(`${words.map((word) => Buffer.from(word).toString('hex')).join(',')}\n`);
    void into.then((socket) => socket.resume().end(stdin));
    const [said, warned, exitCode] = await Promise.all([textOf(stdout), textOf(stderr), ended]);
    (await into).destroy();
    this.#waiting.delete(number);
    return { exitCode, stdout: said, stderr: warned };
  }

  async stop(): Promise<void> {
    const ended = once(this.#perl, 'close');
    this.#perl.stdin!.end();
    await ended;
    this.#server.close();
  }

  #greet(socket: Socket): void {
    // Nobody has to read what he is given.
    socket.on('error', () => {});
    socket.once('data', (first) => {
      socket.pause();
      const head = first.toString('latin1', 0, HEAD_BYTES);
      if (first.length > HEAD_BYTES) socket.unshift(first.subarray(HEAD_BYTES));
      this.#waiting.get(Number(head.slice(0, -1)))!.streams[Number(head.slice(-1))]!(socket);
    });
  }
}

async function textOf(stream: Promise<Socket>): Promise<string> {
  const socket = await stream;
  socket.setEncoding('latin1');
  const said = await text(socket);
  socket.destroy();
  return said;
}
