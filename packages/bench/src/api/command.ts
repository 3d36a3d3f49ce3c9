/** `hive bench api`: the gateway under 64 connections, with durable submissions, and with an upload of a million lines. */
import { type QueenProcess, startProcesses } from '@hive/local';
import type { Argv, CommandModule } from 'yargs';
import { STORE_SETTINGS, type StoreName } from '../cluster.ts';
import { type Hardware, hardware } from '../hardware.ts';
import { positive } from '../options.ts';
import { bytes, count, millis } from '../print.ts';
import { type Latency, latency, type Spread, spread } from '../stats.ts';
import { load } from './connection.ts';
import { GatewayProcess } from './gateway-process.ts';
import { uploadAndRead } from './lines.ts';

export interface ApiOptions {
  readonly connections: number;
  readonly requests: number;
  readonly jobs: number;
  readonly lines: number;
  readonly runs: number;
  readonly store: StoreName;
}

interface Rate {
  readonly perSecond: Spread;
  readonly latencyMillis: Latency;
  readonly gatewayCpuMicrosEach: number;
  readonly queenCpuMicrosEach: number;
}
interface Lines {
  /** From the first byte up to the last result read. */
  readonly perSecond: Spread;
  /** Until the upload was answered as durable. */
  readonly uploadPerSecond: Spread;
  readonly gatewayBytesBefore: number;
  readonly gatewayPeakBytes: number;
  readonly gatewayCpuMicrosEach: number;
}
export interface ApiReport extends ApiOptions {
  readonly bench: 'api';
  readonly hardware: Hardware;
  readonly storeSettings: string;
  readonly health: Rate;
  readonly submissions: Rate;
  readonly ndjson: Lines;
}

const DRONES = 2;

interface UnderTest {
  readonly gateway: GatewayProcess;
  readonly queen: QueenProcess;
}
async function cpuMillisOf(queen: QueenProcess): Promise<number> {
  const { userMillis, systemMillis } = await queen.rusage();
  return userMillis + systemMillis;
}

export async function measureApi(options: ApiOptions, say: (line: string) => void): Promise<ApiReport> {
  const { store } = options;
  const processes = await startProcesses({ drones: DRONES, slotsPerDrone: 1, store });
  let gateway: GatewayProcess | null = null;
  try {
    gateway = await GatewayProcess.start(processes.access);
    const under = { gateway, queen: processes.queen };
    const health = await measureHealth(under, options, say);
    const submissions = await measureSubmissions(under, options, say);
    const ndjson = await measureLines(gateway, options, say);
    return {
      bench: 'api',
      hardware: hardware(),
      storeSettings: STORE_SETTINGS[store],
      ...options,
      health,
      submissions,
      ndjson,
    };
  } finally {
    await gateway?.stop();
    await processes.stop();
  }
}

function measureHealth(
  under: UnderTest,
  { connections, requests, runs }: ApiOptions,
  say: (line: string) => void,
) {
  return measureRate(under, 'GET /health', requests, runs, say, () =>
    load(under.gateway.port, connections, requests, async (connection) => {
      const { status } = await connection.ask('GET', '/api/v1/health');
      if (status !== 200) throw new Error(`GET /health gave ${status}`);
    }),
  );
}

/** Each is answered when it is durable: a job of one task of the kind echo, sealed, in the Queen's store. */
function measureSubmissions(
  under: UnderTest,
  { connections, jobs, runs }: ApiOptions,
  say: (line: string) => void,
) {
  return measureRate(under, 'submissions', jobs, runs, say, () =>
    load(under.gateway.port, connections, jobs, async (connection, n) => {
      const { status, body } = await connection.ask('POST', '/api/v1/jobs', `{"kind":"echo","input":${n}}`);
      if (status !== 201) throw new Error(`a submission gave ${status}: ${body}`);
    }),
  );
}

async function measureRate(
  { gateway, queen }: UnderTest,
  name: string,
  each: number,
  runs: number,
  say: (line: string) => void,
  run: () => Promise<Float64Array>,
): Promise<Rate> {
  await run();
  const rates: number[] = [];
  const took: number[] = [];
  let cpuMillis = 0;
  const queenBefore = await cpuMillisOf(queen);
  for (let i = 0; i < runs; i++) {
    const start = performance.now();
    const used = await gateway.watching(async () => {
      for (const one of await run()) took.push(one);
    });
    rates.push((each / (performance.now() - start)) * 1000);
    cpuMillis += used.cpuMillis;
    say(`${name}, run ${i + 1}: ${count(rates.at(-1)!)}/s`);
  }
  return {
    perSecond: spread(rates),
    latencyMillis: latency(took),
    gatewayCpuMicrosEach: (cpuMillis * 1000) / (each * runs),
    queenCpuMicrosEach: (((await cpuMillisOf(queen)) - queenBefore) * 1000) / (each * runs),
  };
}

async function measureLines(
  gateway: GatewayProcess,
  { lines, runs }: ApiOptions,
  say: (line: string) => void,
): Promise<Lines> {
  await uploadAndRead(gateway.port, Math.min(lines, 100_000));
  const { residentBytes } = await gateway.usage();
  const rates: number[] = [];
  const uploads: number[] = [];
  let cpuMillis = 0;
  let gatewayPeakBytes = 0;
  for (let i = 0; i < runs; i++) {
    const used = await gateway.watching(async () => {
      const { totalMillis, uploadMillis } = await uploadAndRead(gateway.port, lines);
      rates.push((lines / totalMillis) * 1000);
      uploads.push((lines / uploadMillis) * 1000);
    });
    cpuMillis += used.cpuMillis;
    gatewayPeakBytes = Math.max(gatewayPeakBytes, used.peakBytes);
    say(`lines, run ${i + 1}: ${count(rates.at(-1)!)}/s, ${count(uploads.at(-1)!)}/s up`);
  }
  return {
    perSecond: spread(rates),
    uploadPerSecond: spread(uploads),
    gatewayBytesBefore: residentBytes,
    gatewayPeakBytes,
    gatewayCpuMicrosEach: (cpuMillis * 1000) / (lines * runs),
  };
}

export function printApi(report: ApiReport): string {
  const { connections, requests, jobs, lines, runs, store, storeSettings, health, submissions, ndjson } =
    report;
  const { hardware: machine } = report;
  const rate = ({ perSecond: { median, min, max }, latencyMillis: { p50, p99 }, ...cpu }: Rate) =>
    `${count(median)}/s median (${count(min)} to ${count(max)}), p50 ${millis(p50)}, p99 ${millis(p99)}, CPU each: gateway ${cpu.gatewayCpuMicrosEach.toFixed(0)} µs, Queen ${cpu.queenCpuMicrosEach.toFixed(0)} µs`;
  return [
    `hive bench api: ${connections} connections, one request after another on each; ${DRONES} Drones of 1 slot, the Queen, the gateway and the load on this machine`,
    `  hardware        ${machine.cpu}, ${machine.cores} cores, Node ${machine.node}`,
    `  store           ${store} (${storeSettings}), sessions with TLS`,
    `  runs            ${runs} of ${count(requests)} requests, ${count(jobs)} jobs and ${count(lines)} lines, after warming up`,
    `  GET /health     ${rate(health)}`,
    `  submissions     ${rate(submissions)}; each durable when it is answered`,
    `  lines           ${count(ndjson.perSecond.median)}/s median (${count(ndjson.perSecond.min)} to ${count(ndjson.perSecond.max)}): uploaded, hashed, results read back in order, every 64th compared`,
    `  of these, up    ${count(ndjson.uploadPerSecond.median)}/s until all were durable; ${ndjson.gatewayCpuMicrosEach.toFixed(2)} µs of the gateway's CPU a line`,
    `  its memory      ${bytes(ndjson.gatewayBytesBefore)} before the lines, ${bytes(ndjson.gatewayPeakBytes)} at most`,
  ].join('\n');
}

interface ApiArguments extends ApiOptions {
  readonly json: boolean;
}
export const apiCommand: CommandModule<object, ApiArguments> = {
  command: 'api',
  describe: 'The HTTP API: requests, durable submissions, an upload of a million lines',
  builder: (argv: Argv) =>
    argv.options({
      connections: { type: 'number', default: 64, coerce: positive('connections'), describe: 'Connections' },
      requests: {
        type: 'number',
        default: 50_000,
        coerce: positive('requests'),
        describe: 'Of GET /health, in a run',
      },
      jobs: { type: 'number', default: 20_000, coerce: positive('jobs'), describe: 'Submissions in a run' },
      lines: {
        type: 'number',
        default: 1_000_000,
        coerce: positive('lines'),
        describe: 'Lines of an upload',
      },
      runs: { type: 'number', default: 5, coerce: positive('runs'), describe: 'Runs' },
      store: { choices: ['sqlite', 'memory'], default: 'sqlite', describe: "The Queen's store" },
      json: { type: 'boolean', default: false, describe: 'Print one JSON object' },
    }) as unknown as Argv<ApiArguments>,
  handler: async ({ connections, requests, jobs, lines, runs, store, json }) => {
    const say = json ? () => {} : (line: string) => console.error(`  ${line}`);
    const report = await measureApi({ connections, requests, jobs, lines, runs, store }, say);
    console.log(json ? JSON.stringify(report) : printApi(report));
  },
};
