// Child processes that live for a whole run and answer messages, one at a time.
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { endWithProcess } from "../../envoy/process.ts";

interface Reply {
  result?: unknown;
  error?: string;
}

type Questions<Asks> = { [Name in keyof Asks]: { given: unknown; answer: unknown } };

export class Child<Asks extends Questions<Asks>> {
  readonly pid: number;
  readonly #process: ChildProcess;
  readonly #name: string;

  constructor(file: string) {
    this.#name = file;
    this.#process = fork(fileURLToPath(new URL(file, import.meta.url)));
    this.pid = this.#process.pid as number;
    const forget = endWithProcess(() => this.#process.kill("SIGKILL"));
    this.#process.once("exit", forget);
  }

  ask<Name extends keyof Asks & string>(name: Name, given: Asks[Name]["given"]): Promise<Asks[Name]["answer"]> {
    return new Promise((done, fail) => {
      const ended = (status: number | null) => fail(new Error(`${this.#name} ended with ${status}`));
      this.#process.once("exit", ended);
      this.#process.once("message", ({ result, error }: Reply) => {
        this.#process.off("exit", ended);
        if (error === undefined) done(result as Asks[Name]["answer"]);
        else fail(new Error(`${this.#name}: ${error}`));
      });
      this.#process.send({ name, given });
    });
  }

  stop(): void {
    this.#process.kill("SIGKILL");
  }
}

/** Runs in the child process: answers the messages of the parent. */
export function serve<Asks extends Questions<Asks>>(
  answers: {
    [Name in keyof Asks]: (given: Asks[Name]["given"]) => Promise<Asks[Name]["answer"]> | Asks[Name]["answer"];
  },
): void {
  process.on("message", async ({ name, given }: { name: keyof Asks; given: never }) => {
    let reply: Reply;
    try {
      reply = { result: await answers[name](given) };
    } catch (error) {
      reply = { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
    process.send?.(reply);
  });
}
