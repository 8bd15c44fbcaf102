// A reporter of node:test that writes the run's counts as JSON, for the last line of `npm test`.
export default async function* counts(source) {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for await (const event of source) {
    if (event.type !== "test:pass" && event.type !== "test:fail") continue;
    const { data } = event;
    if (data.details?.type === "suite") continue;
    if (data.skip !== undefined && data.skip !== false) total.skipped++;
    else if (event.type === "test:pass" || (data.todo !== undefined && data.todo !== false)) total.passed++;
    else total.failed++;
  }
  yield JSON.stringify(total);
}
