// A real kube-apiserver with etcd, without a cluster. No controller and no kubelet runs, so tests write the objects that
// controllers and kubelets would write.
import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../ports.ts";
import { until } from "../until.ts";
import type { KubernetesBinaries } from "./build-api-server.ts";

export const ADMIN_TOKEN = "token-of-the-admin";
/** Token of the service account in sidecar/deploy/rbac.yaml. The account has exactly the rights of that file. */
export const SIDECAR_TOKEN = "token-of-the-sidecar";
const SIDECAR_USER = "system:serviceaccount:default:pilotfish";

export interface ApiAnswer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: each test knows the shape that it expects
  json: any;
}

export class ApiServer {
  readonly #binaries: KubernetesBinaries;
  readonly #folder: string;
  readonly #etcdPort: number;
  readonly #peerPort: number;
  readonly port: number;
  #etcd: ChildProcess | undefined;
  #server: ChildProcess | undefined;

  private constructor(binaries: KubernetesBinaries, folder: string, [etcd, peer, port]: [number, number, number]) {
    this.#binaries = binaries;
    this.#folder = folder;
    this.#etcdPort = etcd;
    this.#peerPort = peer;
    this.port = port;
  }

  static async start(binaries: KubernetesBinaries): Promise<ApiServer> {
    const folder = await mkdtemp(join(tmpdir(), "pilotfish-kube-"));
    const ports = (await freePorts(3)) as [number, number, number];
    const server = new ApiServer(binaries, folder, ports);
    try {
      const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
      await writeFile(join(folder, "sa.key"), privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
      const users = [
        `${ADMIN_TOKEN},admin,1,system:masters`,
        `${SIDECAR_TOKEN},${SIDECAR_USER},2,system:serviceaccounts`,
      ];
      await writeFile(join(folder, "tokens.csv"), `${users.join("\n")}\n`, { mode: 0o600 });
      await server.#startEtcd();
      await server.startServer();
    } catch (error) {
      await server.close();
      throw error;
    }
    return server;
  }

  async #startEtcd(): Promise<void> {
    const client = `http://127.0.0.1:${this.#etcdPort}`;
    const peer = `http://127.0.0.1:${this.#peerPort}`;
    this.#etcd = await this.#spawn("etcd", this.#binaries.etcd, [
      `--data-dir=${join(this.#folder, "etcd")}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=default=${peer}`,
      "--unsafe-no-fsync",
      "--log-level=error",
    ]);
    await this.#ready("etcd", this.#etcd, async () => (await fetch(`${client}/health`)).ok);
  }

  /** Resolves when kube-apiserver is ready. etcd must be running. */
  async startServer(): Promise<void> {
    const key = join(this.#folder, "sa.key");
    this.#server = await this.#spawn("kube-apiserver", this.#binaries.apiserver, [
      `--etcd-servers=http://127.0.0.1:${this.#etcdPort}`,
      `--service-account-key-file=${key}`,
      `--service-account-signing-key-file=${key}`,
      "--service-account-issuer=https://k",
      `--token-auth-file=${join(this.#folder, "tokens.csv")}`,
      "--authorization-mode=RBAC",
      "--bind-address=127.0.0.1",
      "--advertise-address=127.0.0.1",
      `--secure-port=${this.port}`,
      `--cert-dir=${join(this.#folder, "certs")}`,
      "--service-cluster-ip-range=10.0.0.0/24",
      "--disable-admission-plugins=ServiceAccount",
      "--shutdown-watch-termination-grace-period=1s",
    ]);
    await this.#ready("kube-apiserver", this.#server, async () => (await this.call("GET", "/readyz")).status === 200);
  }

  async #spawn(name: string, file: string, args: string[]): Promise<ChildProcess> {
    const log = await open(join(this.#folder, `${name}.log`), "a");
    try {
      const child = spawn(file, args, { cwd: this.#folder, stdio: ["ignore", log.fd, log.fd] });
      await new Promise((resolve, reject) => child.once("spawn", resolve).once("error", reject));
      return child;
    } finally {
      await log.close();
    }
  }

  async #ready(name: string, child: ChildProcess, probe: () => Promise<boolean>): Promise<void> {
    const ended = () => child.exitCode !== null || child.signalCode !== null;
    await until(`${name} is ready`, () => ended() || probe().catch(() => false), 120_000);
    if (!ended()) return;
    const log = await readFile(join(this.#folder, `${name}.log`), "utf8");
    throw new Error(`${name} ended before it was ready:\n${log.slice(-2000)}`);
  }

  /** Calls the API as the admin, unless another token is given. */
  async call(
    method: string,
    path: string,
    body?: object,
    type = "application/json",
    token = ADMIN_TOKEN,
  ): Promise<ApiAnswer> {
    const ca = await readFile(this.certificate);
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = { authorization: `Bearer ${token}`, "content-type": type, accept: "application/json" };
    return new Promise((resolve, reject) => {
      const target = { host: "127.0.0.1", port: this.port, method, path, ca, headers, agent: false as const };
      const request = httpsRequest(target, (response) => {
        let answer = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => (answer += chunk));
        response.on("error", reject);
        response.on("end", () => {
          const json = answer.startsWith("{") ? JSON.parse(answer) : answer;
          resolve({ status: response.statusCode ?? 0, json });
        });
      });
      request.on("error", reject);
      request.end(text);
    });
  }

  get certificate(): string {
    return join(this.#folder, "certs", "apiserver.crt");
  }

  get folder(): string {
    return this.#folder;
  }

  /** Ends kube-apiserver with SIGKILL. */
  async kill(): Promise<void> {
    await end(this.#server);
  }

  /** Makes etcd forget old versions. kube-apiserver forgets them only after a restart. */
  async compact(): Promise<void> {
    const etcd = async (path: string, body: object) => {
      const answer = await fetch(`http://127.0.0.1:${this.#etcdPort}${path}`, {
        method: "POST",
        body: JSON.stringify(body),
      });
      if (!answer.ok) throw new Error(`etcd ${path}: status ${answer.status}: ${await answer.text()}`);
      return (await answer.json()) as { header: { revision: string } };
    };
    const { header } = await etcd("/v3/kv/range", { key: Buffer.from("x").toString("base64") });
    await etcd("/v3/kv/compaction", { revision: header.revision, physical: true });
  }

  async close(): Promise<void> {
    await end(this.#server);
    await end(this.#etcd);
    await rm(this.#folder, { recursive: true, force: true });
  }
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await gone;
}
