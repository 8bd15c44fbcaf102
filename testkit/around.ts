import { after, before } from "node:test";

/**
 * before() and after() of a file. A set-up that fails is torn down as well: node:test would not, and what was started
 * would keep the process alive for ever. So tearDown must bear that only a part was started.
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
