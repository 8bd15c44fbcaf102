// The pods of `make bench-pick ARGS="--workers ..."`: one process that listens on as many ports as it is asked for. No figure has its CPU
// time. The rest of a streamed answer follows its first event REST_MS later, so that Envoy reads the two separately.
import { createServer, type Server, type Socket } from "node:net";
import { BodyReader } from "../body/upstream-body.ts";

const REST_MS = 1;
const JSON_BODY =
  '{"id":"a","object":"chat.completion","choices":[],"usage":{"prompt_tokens":200,"completion_tokens":1}}';
const WHOLE = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${JSON_BODY.length}\r\n\r\n${JSON_BODY}`;
const FIRST = `data: {"id":"a","choices":[{"delta":{"content":"a"}}]}\n\n`;
const REST = "data: [DONE]\n\n";
const BEGIN = `HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: ${FIRST.length + REST.length}\r\n\r\n${FIRST}`;

function answer(socket: Socket, streamed: boolean): void {
  socket.write(streamed ? BEGIN : WHOLE);
  if (streamed) setTimeout(() => socket.write(REST), REST_MS);
}

function serve(socket: Socket): void {
  socket.setNoDelay(true);
  let head = "";
  let body: BodyReader | undefined;
  let streamed = false;
  socket.on("data", (chunk: Buffer) => {
    let rest = chunk;
    if (body === undefined) {
      const before = head.length;
      head += chunk.toString("latin1");
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) return;
      streamed = head.includes("\r\naccept: text/event-stream");
      body = new BodyReader(head.slice(0, end));
      rest = chunk.subarray(end + 4 - before);
      head = "";
    }
    body.take(rest);
    if (!body.done) return;
    body = undefined;
    answer(socket, streamed);
  });
  socket.on("error", () => socket.destroy());
}

function listen(): Promise<Server> {
  const server = createServer(serve);
  return new Promise((done, fail) => {
    server.once("error", fail);
    server.listen(0, "127.0.0.1", () => done(server));
  });
}

const servers = await Promise.all(Array.from({ length: Number(process.argv[2]) }, listen));
process.send?.(
  servers.map((server) => {
    const address = server.address();
    return typeof address === "object" ? `127.0.0.1:${address?.port}` : "";
  }),
);
// The bench closes the channel at its end.
process.on("disconnect", () => process.exit(0));
