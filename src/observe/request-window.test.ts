import { expect, it } from "vitest";
import { RequestWindow } from "./request-window.ts";

it("a window without requests says nothing", () => {
  expect(new RequestWindow().observed()).toEqual({ requests: 0, failed: 0, timed: 0, p95Ms: undefined });
});

it("a window tells requests, failures and the 95th percentile, of the latest when there are many", () => {
  const window = new RequestWindow();
  for (let ms = 100; ms >= 1; ms--) window.ended(ms, ms > 98);
  expect(window.observed()).toEqual({ requests: 100, failed: 2, timed: 100, p95Ms: 95 });
  for (let i = 0; i < 2048; i++) window.ended(7, false);
  expect(window.observed()).toEqual({ requests: 2148, failed: 2, timed: 2148, p95Ms: 7 });
});

it("a window of a version that is cold counts its first requests and failures, but not their latencies", () => {
  const window = new RequestWindow(3);
  window.ended(900, true);
  window.ended(800, false);
  expect(window.observed()).toEqual({ requests: 2, failed: 1, timed: 0, p95Ms: undefined });
  expect(window.cold).toBe(1);
  window.ended(700, false);
  window.ended(5, false);
  expect(window.observed()).toEqual({ requests: 4, failed: 1, timed: 1, p95Ms: 5 });
  expect(window.cold).toBe(0);
});
