// The stage of a test: see e2e/cmd/stage.

import { execFileSync, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('..', import.meta.url));
const binary = fileURLToPath(new URL('../../.cache/stage', import.meta.url));

// Starts the stage's program and returns the process with its first lines of
// output, up to one for which the predicate holds.
export async function run(args, last) {
  execFileSync('go', ['build', '-o', binary, './cmd/stage'], { cwd: folder, stdio: 'inherit' });
  const process = spawn(binary, args, { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
  const exited = new Promise((resolve) => process.once('exit', resolve));
  const lines = [];
  for await (const line of createInterface(process.stdout)) {
    lines.push(line);
    if (last(line)) return { process, exited, lines };
  }
  throw new Error(`the stage ended at its start:\n${lines.join('\n')}`);
}

// Starts a stage: its addresses, and what a test does to it.
export async function startStage(...args) {
  const { process, exited, lines } = await run(args, () => true);
  const addresses = JSON.parse(lines[0]);
  const control = async (method, path, body) => {
    const answer = await fetch(addresses.control + path, { method, body });
    if (!answer.ok) throw new Error(`${method} ${path}: ${await answer.text()}`);
  };
  return {
    ...addresses,
    stopNode: (name) => control('POST', `/nodes/${name}/stop`),
    startNode: (name) => control('POST', `/nodes/${name}/start`),
    cutNode: (name) => control('POST', `/nodes/${name}/cut`),
    // The plugin's configuration; undefined takes the plugin out.
    configure: (plugin) => control('PUT', '/plugin', plugin && JSON.stringify(plugin)),
    async stop() {
      process.stdin.end();
      await exited;
    },
  };
}
