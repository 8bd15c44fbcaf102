// The upstream of the bench stands for the pods. It counts the bytes of requests and answers with the model and destination headers
// that it received. It parses only the necessary HTTP (Content-Length and chunked), so that it uses little CPU. startUpstream()
// starts the upstream as a process of its own, and no figure includes its CPU time.

import { createServer, type Server, type Socket } from "node:net";
import { BodyReader } from "./upstream-body.ts";

const PODS = 4;
const MODEL = /\r\nx-gateway-model-name: ([^\r]*)/;
const DESTINATION = /\r\nx-gateway-destination-endpoint: ([^\r]*)/;

function serve(socket: Socket): void {
  socket.setNoDelay(true);
  let head: Buffer | undefined;
  let body: BodyReader | undefined;
  let answer = "";

  socket.on("data", (chunk: Buffer) => {
    let rest: Buffer = chunk;
    while (rest.length > 0) {
      if (body === undefined) {
        head = head === undefined ? rest : Buffer.concat([head, rest]);
        const end = head.indexOf("\r\n\r\n");
        if (end < 0) return;
        const text = head.toString("latin1", 0, end);
        rest = head.subarray(end + 4);
        head = undefined;
        const content = `${MODEL.exec(text)?.[1] ?? ""} ${DESTINATION.exec(text)?.[1] ?? ""}`;
        answer = `HTTP/1.1 200 OK\r\ncontent-length: ${Buffer.byteLength(content)}\r\n\r\n${content}`;
        body = new BodyReader(text);
      }
      rest = body.take(rest);
      if (!body.done) return;
      socket.write(answer);
      body = undefined;
    }
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

const servers = await Promise.all(Array.from({ length: PODS }, listen));
process.send?.(
  servers.map((server) => {
    const address = server.address();
    return typeof address === "object" ? `127.0.0.1:${address?.port}` : "";
  }),
);
// The bench closes the channel at its end.
process.on("disconnect", () => process.exit(0));
