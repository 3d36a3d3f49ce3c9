/** A process that starts one sandboxed run as a Drone does, and waits to be killed. Its argument says what, as JSON. */
import { findCgroups } from '../sandbox/cgroups.ts';
import { LastWill } from '../sandbox/last-will.ts';
import type { RunOrder, SandboxSetup } from '../sandbox/plan.ts';
import type { SandboxTerms } from '../sandbox/policy.ts';
import { openRun } from '../sandbox/run.ts';
import { startPlan } from './sandboxed.ts';

export interface DyingDrone {
  readonly setup: SandboxSetup;
  readonly terms: SandboxTerms;
  readonly order: RunOrder;
  readonly uid: number;
}

const { setup, terms, order, uid } = JSON.parse(process.argv[2] ?? '') as DyingDrone;
const { machine, drone } = setup;
const cgroups = machine.cgroups === null ? null : findCgroups(drone);
const own: SandboxSetup = { ...setup, machine: { ...machine, cgroups } };
new LastWill(own);
startPlan(openRun(own, terms, order), uid);
setInterval(() => {}, 2 ** 30);
