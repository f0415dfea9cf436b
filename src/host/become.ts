/** Putting another program in the place of this process. */

/** Never returns: same process, same streams, same terminal, other program. @param file absolute path */
export function becomeProgram(file: string, args: readonly string[]): never {
  if (!process.execve) throw new Error("this system cannot replace a process");
  process.execve(file, [file, ...args], process.env as Record<string, string>);
  throw new Error(`${file} did not start`);
}
