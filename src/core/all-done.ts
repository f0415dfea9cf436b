/**
 * Waits for all works, also when one of them fails: nothing goes on behind whoever cleans up then.
 * @returns their results in order @throws what the first of them, in order, failed with
 */
export async function allDone<const T extends readonly unknown[]>(
  works: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  const results = await Promise.allSettled(works);
  const failed = results.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
  return Promise.all(works) as never;
}
