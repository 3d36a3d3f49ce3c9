/** Why no Drone has the labels that a job asks for, in sentences for `explain`: those that nobody has first. */

const SANDBOX = 'sandbox.';

type Labels = Readonly<Record<string, string>>;

/** @param offered the labels of Drones of each sort that is connected */
export function whyNoLabels(wanted: Labels, offered: readonly Labels[]): string[] {
  const entries = Object.entries(wanted);
  const missing = entries.filter(([label, value]) => !offered.some((labels) => labels[label] === value));
  const shown = (pairs: readonly (readonly [string, string])[]) =>
    pairs.map(([label, value]) => `${label}=${value}`).join(', ') || 'none';
  const lines = [
    missing.length > 0 && missing.length < entries.length
      ? `No Drone has the label ${shown(missing)}; the job asks for ${shown(entries)}.`
      : `No Drone has the labels that it asks for: ${shown(entries)} (with the kind and slots it needs).`,
  ];
  if (wanted['host.id'] !== undefined) {
    lines.push(
      'Its tasks run only on Drones of the host and user that submitted it, because they use its folder: start one there, as that user. (With "hive run", --anywhere asks for less.)',
    );
  }
  const sandbox = missing.find(([label]) => label.startsWith(SANDBOX));
  if (sandbox !== undefined) {
    lines.push(
      `No Drone offers what its sandbox needs (${sandbox[0]}): start one with "hive drone" on a machine that can; "hive drone --help" lists what to give it.`,
    );
  }
  return lines;
}
