/** Whether a host (with or without port) is this machine: only such a server may be spoken to without TLS. Pure. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/:\d+$/, "");
  return name === "localhost" || name === "[::1]" || /^127(\.\d{1,3}){3}$/.test(name);
}
