/** Exit codes of banger itself. `run`, `exec` and `ssh` map every failure of banger to 125, like `docker run`. */
export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  timeout: 124,
  bangerFailed: 125,
  notExecutable: 126,
  notFound: 127,
} as const;
