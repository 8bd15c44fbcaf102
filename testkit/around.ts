import { after, before } from "node:test";

/**
 * before() and after() of a test file. After a set-up that fails, tearDown runs as well. node:test would not run it, and
 * whatever was started would keep the process alive for ever. So tearDown must work after an incomplete set-up.
 */
export function around(setUp: () => Promise<void>, tearDown: () => Promise<void>): void {
  before(async () => {
    try {
      await setUp();
    } catch (error) {
      await tearDown();
      throw error;
    }
  });
  after(tearDown);
}
