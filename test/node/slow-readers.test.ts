import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { HttpClient } from "../support/http-client.ts";
import { StreamClient } from "../support/stream-client.ts";
import { TuttiProcess } from "../support/tutti-process.ts";
import { waitFor } from "../support/wait-for.ts";

const APP = `${import.meta.dirname}/apps/streaming.ts`;
const MIB = 2 ** 20;
const BLOCK_BYTES = 64 * 1024;
/** What the two sockets of a connection on this host can hold in the kernel: its limits, and some for what a window is. */
const HELD_BY_KERNEL_BYTES = 16 * MIB;
/** Garbage that has not been collected yet, in any process; and what one unread stream may cost it. */
const SLACK_BYTES = 96 * MIB;
const EACH_STREAM_BYTES = MIB;

const residentBytes = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;

test("readers that stop cost a window each, in every process, and their generators stand still", async () => {
  await using node = await TuttiProcess.ready(APP, { env: { TUTTI_TEST_APART: "1" } });
  using client = new HttpClient(node.port);
  const pulled = async () => (await client.get("/pulled")).json as number;
  const sizes = () => new Map([node.pid, ...node.executorPids].map((pid) => [pid, residentBytes(pid)]));
  /** Waits until no generator goes on, and says how many items were made of late. */
  const untilStill = async (before: number) => {
    let last = -1;
    let still = 0;
    await waitFor(
      async () => {
        const now = await pulled();
        still = now === last && now > before ? still + 1 : 0;
        last = now;
        return still >= 20;
      },
      { what: "all generators to stand still", everyMs: 10, timeoutMs: 30_000 },
    );
    return last - before;
  };

  // A reader that keeps up: what a gigabyte takes when it passes through.
  const startedAtMs = performance.now();
  {
    using reading = StreamClient.get(node.port, "/flood?name=read");
    await waitFor(() => reading.bytes > 1024 * MIB, { what: "a gigabyte", timeoutMs: 60_000 });
  }
  const seconds = (performance.now() - startedAtMs) / 1000;
  const baseline = sizes();
  const growthOf = (sizesNow: Map<number, number>) =>
    [...baseline].map(([pid, bytes]) => (sizesNow.get(pid) ?? 0) - bytes);

  for (const count of [1, 100]) {
    const before = await pulled();
    const stopped = Array.from({ length: count }, (_, i) =>
      StreamClient.unread(node.port, `/flood?name=${count}-${i}`),
    );
    expect(await Promise.all(stopped.map(({ status }) => status))).toEqual(new Array(count).fill(200));
    const made = await untilStill(before);
    const growth = growthOf(sizes());
    console.log(
      `${count} unread: ${made} items of 64 KiB made; resident memory grew by ` +
        `${growth.map((bytes) => Math.round(bytes / MIB)).join(", ")} MiB (node, executors)`,
    );
    expect((made * BLOCK_BYTES) / count).toBeLessThan(HELD_BY_KERNEL_BYTES);
    expect(Math.max(...growth)).toBeLessThan(SLACK_BYTES + count * EACH_STREAM_BYTES);
    // Others are served meanwhile, by the same processes.
    expect((await client.get("/count?to=100")).text.split("\n")).toHaveLength(101);
    for (const one of stopped) one[Symbol.dispose]();
    const ended = async () =>
      ((await client.get("/ended")).json as { name: string }[]).filter(({ name }) =>
        name.startsWith(`${count}-`),
      );
    await waitFor(async () => (await ended()).length === count, { what: "every generator to end" });
  }
  console.log(`a gigabyte in ${seconds.toFixed(1)} s: ${Math.round(1024 / seconds)} MiB/s`);
  await node.stopped();
});

test("a reader that stops and goes on gets every item, in order", async () => {
  await using node = await TuttiProcess.ready(APP);
  using stream = StreamClient.unread(node.port, "/count?to=300000");
  expect(await stream.status).toBe(200);
  await stream.read();
  expect(await stream.ended).toBe("whole");
  expect(stream.bytes).toBe(
    Array.from({ length: 300_000 }, (_, i) => `{"i":${i + 1}}\n`).reduce((sum, line) => sum + line.length, 0),
  );
  const [first, second] = stream.text.split("\n");
  expect([first, second]).toEqual(['{"i":1}', '{"i":2}']);
  await node.stopped();
});
